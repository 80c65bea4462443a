/* Offers the scoreboard: its file, and cells that can be read while they are written. */
#include "lib/supervisor/scoreboard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "FAREWELL"
#define READ_TRIES 200 /* some microseconds each, with the processor given away in between */
#define SLOT_WORDS (sizeof(struct scoreboard_slot) / sizeof(uint64_t))
#define TOTALS_WORDS (sizeof(struct scoreboard_totals) / sizeof(uint64_t))

_Static_assert(sizeof(struct scoreboard_slot) % sizeof(uint64_t) == 0, "a slot is copied in words");
_Static_assert(sizeof(struct scoreboard_totals) % sizeof(uint64_t) == 0,
               "the totals are copied in words");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
               "locks would not reach across processes");

/* The file, from its first byte. Cells are whole cache lines, so that children don't slow each
 * other down. */
struct head {
	char magic[8];
	uint32_t version, slots;
	uint32_t slot_size, totals_size;
	char program[SCOREBOARD_NAME];
	char counters[SCOREBOARD_COUNTERS][SCOREBOARD_NAME];
	_Atomic uint32_t paused;
	_Atomic uint32_t recovered;
	_Atomic int64_t published_ms;
};

struct totals_cell {
	_Alignas(64) _Atomic uint32_t sequence;
	_Atomic uint64_t words[TOTALS_WORDS];
};

struct slot_cell {
	_Alignas(64) _Atomic uint32_t sequence;
	_Atomic uint64_t words[SLOT_WORDS];
};

struct file {
	struct head head;
	struct totals_cell totals;
	struct slot_cell slots[];
};

struct scoreboard {
	struct file *file;
	size_t size;
	char path[];
};

static size_t scoreboard_file_size(uint32_t slots)
{
	return sizeof(struct file) + slots * sizeof(struct slot_cell);
}

static void *scoreboard_fail(char *why, size_t why_size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void *scoreboard_fail(char *why, size_t why_size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	return NULL;
}

static struct scoreboard *scoreboard_new(const char *run_dir, const char *program)
{
	size_t room = strlen(run_dir) + strlen(program) + sizeof("/.scoreboard");
	struct scoreboard *board = calloc(1, sizeof(*board) + room);

	if (board != NULL)
		snprintf(board->path, room, "%s/%s.scoreboard", run_dir, program);
	return board;
}

static void scoreboard_write_head(struct head *head, const char *program, int slots,
                                  const char *const *counters)
{
	memcpy(head->magic, MAGIC, sizeof(head->magic));
	head->version = SCOREBOARD_VERSION;
	head->slots = (uint32_t)slots;
	head->slot_size = sizeof(struct slot_cell);
	head->totals_size = sizeof(struct totals_cell);
	snprintf(head->program, sizeof(head->program), "%s", program);
	for (int i = 0; counters != NULL && counters[i] != NULL; i++) {
		assert(i < SCOREBOARD_COUNTERS);
		snprintf(head->counters[i], sizeof(head->counters[i]), "%s", counters[i]);
	}
}

/* Allocates before it maps: on a full disk that is an error here, and not a SIGBUS at the first
 * touch. */
static struct file *scoreboard_map_new(const char *path, size_t size, char *why, size_t why_size)
{
	struct file *file = NULL;
	int error;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0)
		return scoreboard_fail(why, why_size, "%s can't be made: %s", path, strerror(errno));
	if ((error = posix_fallocate(fd, 0, (off_t)size)) != 0)
		scoreboard_fail(why, why_size, "%s: no room for %zu bytes: %s", path, size,
		                strerror(error));
	else if ((file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
		file = scoreboard_fail(why, why_size, "%s can't be mapped: %s", path, strerror(errno));
	close(fd);
	if (file == NULL)
		unlink(path);
	return file;
}

struct scoreboard *scoreboard_create(const char *run_dir, const char *program, int slots,
                                     const char *const *counters, char *why, size_t why_size)
{
	char fresh[4096];
	struct scoreboard *board = scoreboard_new(run_dir, program);

	if (board == NULL)
		return scoreboard_fail(why, why_size, "out of memory");
	snprintf(fresh, sizeof(fresh), "%s.new", board->path);
	unlink(fresh);
	board->size = scoreboard_file_size((uint32_t)slots);
	if ((board->file = scoreboard_map_new(fresh, board->size, why, why_size)) == NULL)
		goto failed;
	scoreboard_write_head(&board->file->head, program, slots, counters);
	if (rename(fresh, board->path) == 0)
		return board;
	scoreboard_fail(why, why_size, "%s can't be moved into place: %s", fresh, strerror(errno));
	munmap(board->file, board->size);
	unlink(fresh);
failed:
	free(board);
	return NULL;
}

static struct file *scoreboard_map_existing(const char *path, size_t *size, char *why,
                                            size_t why_size)
{
	struct file *file = NULL;
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return scoreboard_fail(why, why_size, "%s can't be opened: %s", path, strerror(errno));
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	    (size_t)status.st_size < sizeof(struct file)) {
		scoreboard_fail(why, why_size, "%s is not a scoreboard", path);
	} else {
		*size = (size_t)status.st_size;
		if ((file = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
			file = scoreboard_fail(why, why_size, "%s can't be mapped: %s", path, strerror(errno));
	}
	close(fd);
	return file;
}

struct scoreboard *scoreboard_open_readonly(const char *run_dir, const char *program, char *why,
                                            size_t why_size)
{
	struct scoreboard *board = scoreboard_new(run_dir, program);

	if (board == NULL)
		return scoreboard_fail(why, why_size, "out of memory");
	if ((board->file = scoreboard_map_existing(board->path, &board->size, why, why_size)) == NULL)
		goto failed;
	const struct head *head = &board->file->head;
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0)
		scoreboard_fail(why, why_size, "%s is not a scoreboard", board->path);
	else if (head->version != SCOREBOARD_VERSION)
		scoreboard_fail(why, why_size, "%s has version %u, this program reads %d", board->path,
		                (unsigned)head->version, SCOREBOARD_VERSION);
	else if (head->slot_size != sizeof(struct slot_cell) ||
	         head->totals_size != sizeof(struct totals_cell) ||
	         board->size != scoreboard_file_size(head->slots))
		scoreboard_fail(why, why_size, "%s is of the wrong size", board->path);
	else
		return board;
	munmap(board->file, board->size);
failed:
	free(board);
	return NULL;
}

void scoreboard_close(struct scoreboard *board, bool remove)
{
	if (board == NULL)
		return;
	if (remove)
		unlink(board->path);
	munmap(board->file, board->size);
	free(board);
}

int scoreboard_slots(const struct scoreboard *board)
{
	return (int)board->file->head.slots;
}

const char *scoreboard_counter(const struct scoreboard *board, int counter)
{
	if (counter < 0 || counter >= SCOREBOARD_COUNTERS ||
	    board->file->head.counters[counter][0] == '\0')
		return NULL;
	return board->file->head.counters[counter];
}

/* ---- the sequence lock: odd while the writer writes (Boehm, "Can seqlocks get along with
 * programming language memory models?", MSPC 2012) ---- */

static bool cell_read(const _Atomic uint32_t *sequence, const _Atomic uint64_t *from,
                      uint64_t *words, size_t count)
{
	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint32_t before = atomic_load_explicit(sequence, memory_order_acquire);

		if (before % 2 == 0) {
			for (size_t i = 0; i < count; i++)
				words[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
			atomic_thread_fence(memory_order_acquire);
			if (atomic_load_explicit(sequence, memory_order_relaxed) == before)
				return true;
		}
		sched_yield();
	}
	return false;
}

/* A writer that died while writing left it odd: the next one goes on to the next odd number. */
static void cell_write(_Atomic uint32_t *sequence, _Atomic uint64_t *to, const uint64_t *words,
                       size_t count)
{
	uint32_t odd = (atomic_load_explicit(sequence, memory_order_relaxed) + 1) | 1;

	atomic_store_explicit(sequence, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < count; i++)
		atomic_store_explicit(&to[i], words[i], memory_order_relaxed);
	atomic_store_explicit(sequence, odd + 1, memory_order_release);
}

bool scoreboard_read_slot(const struct scoreboard *board, int number, struct scoreboard_slot *slot)
{
	uint64_t words[SLOT_WORDS];
	const struct slot_cell *cell;

	assert(number >= 0 && number < scoreboard_slots(board));
	cell = &board->file->slots[number];
	if (!cell_read(&cell->sequence, cell->words, words, SLOT_WORDS))
		return false;
	memcpy(slot, words, sizeof(*slot));
	return true;
}

void scoreboard_write_slot(struct scoreboard *board, int number, const struct scoreboard_slot *slot)
{
	uint64_t words[SLOT_WORDS];
	struct slot_cell *cell;

	assert(number >= 0 && number < scoreboard_slots(board));
	cell = &board->file->slots[number];
	memcpy(words, slot, sizeof(words));
	cell_write(&cell->sequence, cell->words, words, SLOT_WORDS);
}

bool scoreboard_read_totals(const struct scoreboard *board, struct scoreboard_totals *totals)
{
	uint64_t words[TOTALS_WORDS];

	if (!cell_read(&board->file->totals.sequence, board->file->totals.words, words, TOTALS_WORDS))
		return false;
	memcpy(totals, words, sizeof(*totals));
	return true;
}

void scoreboard_write_totals(struct scoreboard *board, const struct scoreboard_totals *totals)
{
	uint64_t words[TOTALS_WORDS];

	memcpy(words, totals, sizeof(words));
	cell_write(&board->file->totals.sequence, board->file->totals.words, words, TOTALS_WORDS);
}

bool scoreboard_paused(const struct scoreboard *board)
{
	return atomic_load_explicit(&board->file->head.paused, memory_order_relaxed) != 0;
}

void scoreboard_set_paused(struct scoreboard *board, bool paused)
{
	atomic_store_explicit(&board->file->head.paused, paused, memory_order_relaxed);
}

void scoreboard_note_recovered(struct scoreboard *board)
{
	atomic_fetch_add_explicit(&board->file->head.recovered, 1, memory_order_relaxed);
}

uint32_t scoreboard_recovered(const struct scoreboard *board)
{
	return atomic_load_explicit(&board->file->head.recovered, memory_order_relaxed);
}

void scoreboard_note_published(struct scoreboard *board, int64_t published_ms)
{
	_Atomic int64_t *newest = &board->file->head.published_ms;
	int64_t seen = atomic_load_explicit(newest, memory_order_relaxed);
	int64_t mine = published_ms != 0 ? published_ms : -1;

	while ((seen == 0 || mine > seen) &&
	       !atomic_compare_exchange_weak_explicit(newest, &seen, mine, memory_order_relaxed,
	                                              memory_order_relaxed))
		;
}

int64_t scoreboard_published(const struct scoreboard *board)
{
	return atomic_load_explicit(&board->file->head.published_ms, memory_order_relaxed);
}

const char *scoreboard_state_name(uint32_t state)
{
	static const char *const names[] = {"free", "starting", "idle", "busy", "leaving"};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}
