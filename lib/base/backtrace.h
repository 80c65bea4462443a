/* Backtraces into the log: of a crash, of a child that hangs (SIGABRT) and of one that is slow
 * (SIGURG, after which it goes on). */
#ifndef FAREWELL_BACKTRACE_H
#define FAREWELL_BACKTRACE_H

/* Installs the handlers, for this process and those it forks: on a stack of their own, allocating
 * nothing. Handlers that somebody else (a sanitizer) has set for crashes are left. PROGRAM must
 * outlive the process. */
void backtrace_install(const char *program);

/* What the next backtrace says about its process; both must outlive it and end with a NUL at any
 * moment. */
void backtrace_describe(const char *step, const char *job);

#endif
