/* Signal handlers that write a backtrace into the log, using only what is async-signal-safe. */
#include "lib/base/backtrace.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"

#define FRAMES 64
#define STACK_SIZE (64 * 1024)

/* For the handlers only. */
static struct {
	const char *program, *step, *job;
	char stack[STACK_SIZE];
} here = {.program = "farewell", .step = "", .job = ""};

/* Collects text for one write; async-signal-safe, unlike snprintf. */
struct line {
	char text[512];
	size_t length;
};

static void line_put(struct line *line, const char *text)
{
	while (*text != '\0' && line->length < sizeof(line->text))
		line->text[line->length++] = *text++;
}

static void line_put_number(struct line *line, unsigned number)
{
	char digits[12];
	char *digit = digits + sizeof(digits) - 1;

	*digit = '\0';
	do
		*--digit = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	line_put(line, digit);
}

static void process_describe(int signal_number)
{
	struct line line = {.length = 0};

	line_put(&line, here.program);
	line_put(&line, "[");
	line_put_number(&line, (unsigned)getpid());
	line_put(&line, "]: backtrace on signal ");
	line_put_number(&line, (unsigned)signal_number);
	line_put(&line, " step=");
	line_put(&line, here.step);
	line_put(&line, " job=");
	line_put(&line, here.job);
	line_put(&line, "\n");
	if (write(log_descriptor(), line.text, line.length) < 0)
		return;
}

static void on_slow(int signal_number)
{
	void *frames[FRAMES];
	int kept = errno;

	if (log_has_room()) { /* or a log that nobody reads would hold us here */
		process_describe(signal_number);
		backtrace_symbols_fd(frames, backtrace(frames, FRAMES), log_descriptor());
	}
	errno = kept;
}

/* Reset to the default by SA_RESETHAND, the signal then does what it would have done. */
static void on_fatal(int signal_number)
{
	on_slow(signal_number);
	raise(signal_number);
}

static void handler_install(int signal_number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags | SA_ONSTACK};

	sigemptyset(&action.sa_mask);
	sigaction(signal_number, &action, NULL);
}

void backtrace_install(const char *program)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

	stack_t stack = {.ss_sp = here.stack, .ss_size = sizeof(here.stack)};
	struct sigaction present;
	void *frames[FRAMES];

	here.program = program;
	backtrace(frames, FRAMES); /* loads libgcc now, so that no handler has to */
	if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE)) {
		stack = (stack_t){.ss_sp = here.stack, .ss_size = sizeof(here.stack)};
		sigaltstack(&stack, NULL);
	}
	handler_install(SIGABRT, on_fatal, SA_RESETHAND | SA_NODEFER);
	handler_install(SIGURG, on_slow, SA_RESTART);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		if (sigaction(crashes[i], NULL, &present) == 0 && present.sa_handler == SIG_DFL &&
		    !(present.sa_flags & SA_SIGINFO))
			handler_install(crashes[i], on_fatal, SA_RESETHAND | SA_NODEFER);
}

void backtrace_describe(const char *step, const char *job)
{
	here.step = step;
	here.job = job;
}
