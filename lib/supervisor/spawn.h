/* Starting child processes and noticing their end: the mechanism. How many and when, policy.h
 * decides. */
#ifndef FAREWELL_SPAWN_H
#define FAREWELL_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWN_TEXT 128

/* Forks. In the child BODY(ARG) runs and what it returns is the exit code. Returns the child's pid,
 * or -1 (errno). */
pid_t spawn_child(int (*body)(void *arg), void *arg);

/* Takes one child that has ended, without waiting. False: none. As pid 1 it may be somebody else's
 * orphan. */
bool spawn_reap(pid_t *pid, int *status);

/* A pipe by which children see the master's death: only the master holds the write end. */
struct spawn_parent_pipe {
	int read_end, write_end;
};
/* False: errno. */
bool spawn_parent_pipe_open(struct spawn_parent_pipe *);
void spawn_parent_pipe_close(struct spawn_parent_pipe *);
/* In the child: closes the master's end. */
void spawn_parent_pipe_inherit(struct spawn_parent_pipe *);

/* How a child ended, in words: "was killed by signal 11 (Segmentation fault), core dumped". */
void spawn_end_text(int status, char text[SPAWN_TEXT]);
/* A time in words: "250ms", "12.5s", "2m13s", "3h05m", "2d4h". */
void spawn_time_text(int64_t ms, char text[SPAWN_TEXT]);

#endif
