/* Tests the scoreboard: what a reader sees while writers write, die, or have made a bad file. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/supervisor/scoreboard.h"
#include "tests/unit/unit.h"

static char dir[] = "/tmp/scoreboard.XXXXXX";
static char why[256];

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct scoreboard *create(int slots)
{
	static const char *const counters[] = {"completed", "retried", NULL};
	struct scoreboard *board = scoreboard_create(dir, "unit", slots, counters, why, sizeof(why));

	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	return board;
}

static void others_read_what_was_written(void)
{
	struct scoreboard *board = create(3);
	struct scoreboard *reader = scoreboard_open_readonly(dir, "unit", why, sizeof(why));
	struct scoreboard_slot slot = {.pid = 42,
	                               .state = SLOT_BUSY,
	                               .jobs = 7,
	                               .step = "files",
	                               .job = "some-deletion"},
						   seen;
	struct scoreboard_totals totals = {.master = 41, .kills = 3}, seen_totals;

	CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
	CU_ASSERT_EQUAL(scoreboard_slots(reader), 3);
	scoreboard_write_slot(board, 2, &slot);
	scoreboard_write_totals(board, &totals);
	CU_ASSERT_TRUE(scoreboard_read_slot(reader, 2, &seen));
	CU_ASSERT_EQUAL(memcmp(&slot, &seen, sizeof(slot)), 0);
	CU_ASSERT_TRUE(scoreboard_read_slot(reader, 1, &seen));
	CU_ASSERT_EQUAL(seen.state, SLOT_FREE);
	CU_ASSERT_TRUE(scoreboard_read_totals(reader, &seen_totals));
	CU_ASSERT_EQUAL(memcmp(&totals, &seen_totals, sizeof(totals)), 0);
	CU_ASSERT_STRING_EQUAL(scoreboard_counter(reader, 1), "retried");
	CU_ASSERT_PTR_NULL(scoreboard_counter(reader, 2));
	CU_ASSERT_FALSE(scoreboard_paused(reader));
	scoreboard_set_paused(board, true);
	CU_ASSERT_TRUE(scoreboard_paused(reader));
	CU_ASSERT_EQUAL(scoreboard_recovered(reader), 0);
	scoreboard_note_recovered(board);
	scoreboard_note_recovered(board);
	CU_ASSERT_EQUAL(scoreboard_recovered(reader), 2);
	CU_ASSERT_EQUAL(scoreboard_published(reader), 0);
	scoreboard_note_published(board, -500); /* before the machine started */
	CU_ASSERT_EQUAL(scoreboard_published(reader), -500);
	scoreboard_note_published(board, 70);
	scoreboard_note_published(board, 30);
	CU_ASSERT_EQUAL(scoreboard_published(reader), 70);
	scoreboard_close(reader, false);
	scoreboard_close(board, true);
	CU_ASSERT_NOT_EQUAL(access(in_dir("unit.scoreboard"), F_OK), 0);
}

static void space_is_allocated(void)
{
	struct stat status;
	struct scoreboard *board = create(500);

	CU_ASSERT_EQUAL_FATAL(stat(in_dir("unit.scoreboard"), &status), 0);
	CU_ASSERT(status.st_blocks * 512 >= status.st_size);
	CU_ASSERT(status.st_size >= 500 * (off_t)sizeof(struct scoreboard_slot));
	CU_ASSERT_EQUAL(status.st_mode & 0777, 0640);
	scoreboard_close(board, true);
}

static void a_new_one_leaves_the_old_ones_readers_alone(void)
{
	struct scoreboard *first = create(2), *second, *reader;
	struct scoreboard_slot slot = {.pid = 1}, seen;

	scoreboard_write_slot(first, 0, &slot);
	second = create(9);
	CU_ASSERT_TRUE(scoreboard_read_slot(first, 0, &seen));
	CU_ASSERT_EQUAL(seen.pid, 1);
	reader = scoreboard_open_readonly(dir, "unit", why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
	CU_ASSERT_EQUAL(scoreboard_slots(reader), 9);
	scoreboard_close(reader, false);
	scoreboard_close(first, false);
	scoreboard_close(second, true);
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);

	CU_ASSERT_EQUAL_FATAL(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

static void refusals_say_why(void)
{
	struct scoreboard *board = create(2);
	const char *path = in_dir("unit.scoreboard");
	int version = SCOREBOARD_VERSION + 1;

	overwrite(path, 8, &version, sizeof(version));
	CU_ASSERT_PTR_NULL(scoreboard_open_readonly(dir, "unit", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "version 2"));
	version = SCOREBOARD_VERSION;
	overwrite(path, 8, &version, sizeof(version));
	overwrite(path, 0, "X", 1);
	CU_ASSERT_PTR_NULL(scoreboard_open_readonly(dir, "unit", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "not a scoreboard"));
	overwrite(path, 0, "F", 1);
	CU_ASSERT_EQUAL(truncate(path, 4096), 0);
	CU_ASSERT_PTR_NULL(scoreboard_open_readonly(dir, "unit", why, sizeof(why)));
	CU_ASSERT_EQUAL(truncate(path, 10), 0);
	CU_ASSERT_PTR_NULL(scoreboard_open_readonly(dir, "unit", why, sizeof(why)));
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	CU_ASSERT_PTR_NULL(scoreboard_open_readonly(dir, "unit", why, sizeof(why)));
	scoreboard_close(board, true);
	CU_ASSERT_PTR_NULL(scoreboard_open_readonly(dir, "unit", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "No such file"));
	CU_ASSERT_PTR_NULL(scoreboard_create("/nowhere", "unit", 1, NULL, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "/nowhere"));
}

static void no_room_is_an_error_at_once(void)
{
	struct rlimit all, little = {.rlim_cur = 4096};

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &all), 0);
	little.rlim_max = all.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &little), 0);
	CU_ASSERT_PTR_NULL(scoreboard_create(dir, "unit", 500, NULL, why, sizeof(why)));
	setrlimit(RLIMIT_FSIZE, &all);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no room"));
	CU_ASSERT_NOT_EQUAL(access(in_dir("unit.scoreboard.new"), F_OK), 0);
	CU_ASSERT_NOT_EQUAL(access(in_dir("unit.scoreboard"), F_OK), 0);
}

/* ---- the sequence lock, with a writer in another process ---- */

/* Every field of a round has the same number, so that a mixture shows. */
static void fill(struct scoreboard_slot *slot, uint64_t round)
{
	slot->pid = slot->started_at = slot->started_ms = slot->since_ms = slot->step_ms = slot->rss =
		(int64_t)round;
	slot->taken = slot->jobs = slot->failures = round;
	for (int i = 0; i < SCOREBOARD_COUNTERS; i++)
		slot->counters[i] = round;
	memset(slot->job, (int)('a' + round % 26), sizeof(slot->job) - 1);
}

static bool is_whole(const struct scoreboard_slot *slot)
{
	struct scoreboard_slot expected = *slot;

	fill(&expected, slot->jobs);
	return memcmp(slot, &expected, sizeof(expected)) == 0;
}

static pid_t start_writer(struct scoreboard *board)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	struct scoreboard_slot slot = {0};
	alarm(150);
	for (uint64_t round = 1;; round++) {
		fill(&slot, round);
		scoreboard_write_slot(board, 0, &slot);
	}
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void never_half_a_slot(void)
{
	struct scoreboard *board = create(1);
	struct scoreboard_slot slot = {0};
	int whole = 0, torn = 0, rounds = 0;
	uint64_t last = 0;

	fill(&slot, 0);
	scoreboard_write_slot(board, 0, &slot);
	pid_t writer = start_writer(board);
	time_t begun = time(NULL);
	/* However little of the processor the two of them get. */
	while (time(NULL) < begun + 2 || (rounds < 1000 && time(NULL) < begun + 120)) {
		if (!scoreboard_read_slot(board, 0, &slot))
			continue;
		whole += is_whole(&slot);
		torn += !is_whole(&slot);
		rounds += slot.jobs != last;
		last = slot.jobs;
	}
	stop(writer);
	CU_ASSERT_EQUAL(torn, 0);
	CU_ASSERT(whole >= rounds);
	CU_ASSERT(rounds >= 1000);
	scoreboard_close(board, true);
}

/* Kills writers until one dies in the middle of a slot. */
static bool kill_in_the_middle(struct scoreboard *board)
{
	struct scoreboard_slot slot;

	for (int tries = 0; tries < 5000; tries++) {
		pid_t writer = start_writer(board);

		usleep(500);
		stop(writer);
		if (!scoreboard_read_slot(board, 0, &slot))
			return true;
	}
	return false;
}

static void a_dead_writer_hangs_nobody(void)
{
	struct scoreboard *board = create(1);
	struct scoreboard_slot slot = {.pid = 5}, seen;

	CU_ASSERT_TRUE(kill_in_the_middle(board));
	CU_ASSERT_FALSE(scoreboard_read_slot(board, 0, &seen));
	/* The master clears the slot, and all is well again. */
	scoreboard_write_slot(board, 0, &slot);
	CU_ASSERT_TRUE(scoreboard_read_slot(board, 0, &seen));
	CU_ASSERT_EQUAL(seen.pid, 5);
	scoreboard_close(board, true);
}

static void states_have_names(void)
{
	CU_ASSERT_STRING_EQUAL(scoreboard_state_name(SLOT_BUSY), "busy");
	CU_ASSERT_STRING_EQUAL(scoreboard_state_name(SLOT_LEAVING), "leaving");
	CU_ASSERT_STRING_EQUAL(scoreboard_state_name(99), "unknown");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"others read what was written", others_read_what_was_written},
		{"space is allocated", space_is_allocated},
		{"a new one leaves the old one's readers alone",
	     a_new_one_leaves_the_old_ones_readers_alone},
		{"refusals say why", refusals_say_why},
		{"no room is an error at once", no_room_is_an_error_at_once},
		{"never half a slot", never_half_a_slot},
		{"a dead writer hangs nobody", a_dead_writer_hangs_nobody},
		{"states have names", states_have_names},
		{NULL, NULL},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	int code = unit_main("scoreboard", tests);
	rmdir(dir);
	return code;
}
