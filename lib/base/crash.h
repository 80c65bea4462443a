/* Named crash points: where a test can make a process die, to prove that nothing is lost. Not in a
 * release build.
 *
 * Built with --enable-crash-points, a process that passes a point named by the environment variable
 * FAREWELL_CRASH kills itself with SIGKILL. `NAME` alone: every time; `NAME@FILE`: once, by
 * creating FILE, which must not exist. `NAME=stop@FILE`: stops itself (SIGSTOP) instead, so that
 * the test can do something else at that moment and then send CONT or KILL. */
#ifndef FAREWELL_CRASH_H
#define FAREWELL_CRASH_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef FAREWELL_CRASH_POINTS
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif

/* Every point there is, NULL-terminated; tests walk it. Empty in a release build. */
extern const char *const crash_points[];

#endif
