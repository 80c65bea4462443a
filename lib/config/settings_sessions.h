/* Databases and broker: settings that the gateway and the worker both have, each in its own
 * section; rows of conf_table.c. */
BOTH("user_db", CONF_STRING, sessions.user_db,
     .example = EITHER("host=/run/postgresql dbname=app user=farewell_gateway",
                       "host=/run/postgresql dbname=app user=farewell_worker"),
     .topic = "Databases and broker",
     .text = "The database with the application's users and with farewell.request, as a libpq "
             "connection string or URI. It must reach the primary. No transaction pooling: "
             "Farewell keeps prepared statements and session settings. The password belongs in "
             "the file below.")

BOTH("user_db_password_file", CONF_SECRET, sessions.user_db_password, .fallback = "",
     .text = "File with the password for user_db. Empty: what libpq finds for itself (peer "
             "authentication, ~/.pgpass).")

BOTH("broker", CONF_URL, sessions.broker,
     .example = EITHER("amqp://farewell_gateway@127.0.0.1:5672/farewell",
                       "amqp://farewell_worker@127.0.0.1:5672/farewell"),
     .choices = amqp,
     .text = "RabbitMQ as amqp://user@host:port/vhost. The vhost's own slash is written %2F: "
             "amqp://user@host/%2F.")

BOTH("broker_password_file", CONF_SECRET, sessions.broker_password, .fallback = "",
     .text = "File with the password for broker. Empty: the one in the URL, or guest.")

BOTH("broker_heartbeat", CONF_DURATION, sessions.broker_heartbeat_ms, .fallback = "30s",
     .min = 2000, .max = 10 * MINUTE,
     .text = "How soon a broker that is gone without a word is noticed. Lower it where networks "
             "lose connections silently; whole seconds.")

BOTH("connect_timeout", CONF_DURATION, sessions.connect_timeout_ms, .fallback = "3s", .min = 100,
     .max = 5 * MINUTE, .text = "For one attempt to reach a server, whichever it is.")

BOTH("lock_timeout", CONF_DURATION, sessions.lock_timeout_ms, .fallback = EITHER("5s", "15s"),
     .min = 100, .max = 5 * MINUTE,
     .text = "How long a statement waits for the lock on the user's row (lock_timeout of the "
             "session). In the gateway the second of two simultaneous DELETEs waits for the "
             "first, so it must outlast confirm_timeout. The worker's guard waits for the "
             "gateway; when the time is over the deletion is tried again later, never discarded.")

BOTH("statement_timeout", CONF_DURATION, sessions.statement_timeout_ms,
     .fallback = EITHER("6s", "30s"), .min = 100, .max = EITHER(5 * MINUTE, HOUR),
     .text = "How long a statement may take in all (statement_timeout of the session). The "
             "worker's must be enough for a page of files_sql.")
