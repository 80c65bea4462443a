/* Children: settings that the gateway and the worker both have, each in its own section; rows of
 * conf_table.c. */
BOTH("children", CONF_INT, pool.children, .fallback = EITHER("16", "4"), .max = 1000,
     .topic = "Children",
     .text = "How many children there are. Each serves one request, or one deletion, at a time "
             "and has its own connections to the database and the broker. 0: between "
             "start_children and max_children, as they are needed.")

BOTH("start_children", CONF_INT, pool.start_children, .fallback = "4", .min = 1, .max = 1000,
     .text = "How many to start with, when children is 0.")

BOTH("min_spare", CONF_INT, pool.min_spare, .fallback = "2", .min = 1, .max = 1000,
     .text = "When children is 0: start more when fewer than this are waiting for work.")

BOTH("max_spare", CONF_INT, pool.max_spare, .fallback = "8", .min = 1, .max = 1000,
     .text = "When children is 0: end some when more than this are waiting for work.")

BOTH("max_children", CONF_INT, pool.max_children, .fallback = "32", .min = 1, .max = 1000,
     .text = "When children is 0: never more than this. The servers must take as many "
             "connections.")

BOTH("max_jobs_per_child", CONF_INT, pool.max_jobs_per_child, .fallback = "10000", .max = INT32_MAX,
     .text = "Replace a child after so many requests or deletions, give or take a tenth, so that "
             "not all go at once. 0: never.")

BOTH("max_child_rss", CONF_SIZE, pool.max_child_rss, .fallback = "0", .max = INT64_MAX,
     .text = "Replace a child that has more memory than this (resident, in bytes) once it is "
             "between two jobs. 0: never. A child needs about 10M.")

BOTH("max_child_lifetime", CONF_DURATION, pool.max_child_lifetime_ms, .fallback = "0s",
     .max = 30 * DAY,
     .text = "Replace a child this old once it is between two jobs. 0s: never. Useful where "
             "servers behind a name move.")

BOTH("slow_job", CONF_DURATION, pool.slow_job_ms, .fallback = "0s", .max = DAY,
     .text = "Log a backtrace of a child that has been busy this long with one job, which then "
             "goes on. 0s: off.")

BOTH("soft_timeout", CONF_DURATION, pool.soft_timeout_ms, .fallback = EITHER("12s", "12m"),
     .min = 100, .max = DAY,
     .text = "A child this long at one job is asked to stop at the next safe point; in the worker "
             "it hands the deletion over.")

BOTH("hard_timeout", CONF_DURATION, pool.hard_timeout_ms, .fallback = EITHER("20s", "20m"),
     .min = 200, .max = DAY,
     .text = "A child this long at one job hangs: it leaves a backtrace in the log and is killed. "
             "Its message is delivered again.")

BOTH("stop_timeout", CONF_DURATION, pool.stop_timeout_ms, .fallback = EITHER("15s", "1m"),
     .min = 100, .max = DAY,
     .text = "How long children may finish, or hand over, what is in hand after TERM, before they "
             "are killed. TimeoutStopSec= of the systemd unit must be longer.")
