/* The settings that both programs must agree on; rows of conf_table.c. */
COMMON("id_format", CONF_ENUM, id_format, .fallback = "integer", .choices = id_formats,
       .topic = "Users' ids",
       .text = "What a user's id looks like in the URL and in messages. Anything else is answered "
               "with 400 before a database is asked, so choose the narrowest that fits the column: "
               "integer for serial and bigint, uuid for uuid, text for everything else.")

COMMON("id_max_length", CONF_INT, id_max_length, .fallback = "128", .min = 1, .max = 255,
       .text = "Bytes that an id may have at most when id_format is text; for the other formats it "
               "means nothing.")

COMMON("run_dir", CONF_STRING, run_dir, .fallback = "/run/farewell", .topic = "Places",
       .text = "Directory for the pid files and for the scoreboards in which the children show "
               "their state. It must exist and belong to the user Farewell runs as "
               "(RuntimeDirectory= in a systemd unit), and should be on a tmpfs. A reload can't "
               "change it.")

COMMON("log_file", CONF_STRING, log_file, .fallback = "",
       .text = "File that log lines are appended to. Empty: standard error, which is right under "
               "systemd and in containers. Send USR1 after rotating it.")

COMMON("log_level", CONF_ENUM, log_level, .fallback = "info", .choices = log_levels,
       .text = "How much is logged. debug may show file names and mail addresses: not for "
               "production.")

COMMON("allow_root", CONF_BOOL, allow_root, .fallback = "no",
       .text = "Whether the programs may run as root. They need nothing that root has; this is for "
               "a container that has no other user.")

COMMON("exchange", CONF_STRING, exchange, .fallback = "farewell", .min = 1, .max = AMQP_NAME_BYTES,
       .topic = "Names at the broker",
       .topic_text =
           "Change them only when they clash with something that is there; both programs and "
           "other producers must agree on them.",
       .text = "The exchange that messages are published to: direct, durable.")

COMMON("routing_key", CONF_STRING, routing_key, .fallback = "UserDeleted", .min = 1,
       .max = AMQP_NAME_BYTES, .text = "The key they are published with.")

COMMON("queue", CONF_STRING, queue, .fallback = "farewell.deletions", .min = 1,
       .max = AMQP_NAME_BYTES, .text = "The quorum queue that the workers consume.")

COMMON("parked_queue", CONF_STRING, parked_queue, .fallback = "farewell.parked", .min = 1,
       .max = AMQP_NAME_BYTES,
       .text = "The quorum queue for messages that need a person. Nobody consumes it; look at its "
               "length.")

COMMON("retry_queue_prefix", CONF_STRING, retry_queue_prefix, .fallback = "farewell.retry",
       .min = 1, .max = AMQP_NAME_BYTES,
       .text = "Retry queues are named after this and one of the delays below: farewell.retry.10s.")

COMMON("retry_delays", CONF_DURATIONS, retry_delays, .fallback = "10s 1m 10m 1h", .min = 1000,
       .max = 7 * DAY,
       .text = "After the first failure of a deletion, after the second, and so on; the last delay "
               "is repeated until worker.park_after is over. There is a queue for each, so a delay "
               "that was removed leaves its queue behind: let it run empty before you delete it.")
