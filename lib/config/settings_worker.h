/* The worker's own settings; rows of conf_table.c. */
WORKER("worker_db", CONF_STRING, worker_db,
       .example = "host=/run/postgresql dbname=app user=farewell_worker",
       .topic = "The ledger and the files",
       .text =
           "The database with the application's user_files and with the ledger, "
           "farewell.deletion. It may be the same as user_db. No transaction pooling: a session "
           "lock says who works on a deletion.")

WORKER("worker_db_password_file", CONF_SECRET, worker_db_password, .fallback = "",
       .text = "File with the password for worker_db.")

WORKER("s3_endpoint", CONF_ENDPOINT, s3_endpoint,
       .example = "https://s3.eu-central-1.amazonaws.com", .choices = http,
       .topic = "The object store",
       .topic_text = "These are the default store: every bucket that no store block names lies "
                     "there. With stores of their own for all buckets, leave out s3_endpoint, "
                     "s3_access_key and s3_secret_key_file.",
       .text = "The object store, as http(s)://host or http(s)://host:port, with nothing after it.")

WORKER("s3_region", CONF_STRING, s3_region, .fallback = "us-east-1", .min = 1, .max = 47,
       .text = "The region that requests are signed for. Stores other than Amazon's mostly take "
               "us-east-1.")

WORKER("s3_addressing", CONF_ENUM, s3_addressing, .fallback = "path", .choices = addressings,
       .text =
           "Whether the bucket stands in the path (https://host/bucket/key) or in the host name "
           "(https://bucket.host/key). path works nearly everywhere.")

WORKER("s3_credentials", CONF_ENUM, s3_credentials, .fallback = "auto", .choices = credential_kinds,
       .text = "Where the credentials come from. auto takes the first that is there, in this "
               "order; if that one then fails, no other is tried. settings: s3_access_key. files: "
               "s3_access_key_file. environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
               "AWS_SESSION_TOKEN. web-identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, as "
               "on EKS. container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, as on ECS "
               "and with EKS Pod Identity. instance: the metadata service of EC2, version 2. "
               "Those that expire are renewed before; -t says which were found.")

WORKER(
	"s3_access_key", CONF_STRING, s3_access_key, .fallback = "", .example = "AKIAIOSFODNN7EXAMPLE",
	.text = "The access key's id. It needs s3:DeleteObject on the buckets, and what s3_versions, "
			"s3_verify and prefixes_sql need. Goes together with s3_secret_key_file.")

WORKER("s3_access_key_file", CONF_SECRET, s3_access_key_secret, .fallback = "",
       .text = "File with the access key's id, instead of s3_access_key, for whoever replaces key, "
               "secret and session token from time to time. The files are read again when they "
               "change.")

WORKER("s3_secret_key_file", CONF_SECRET, s3_secret_key, .fallback = "",
       .example = "/etc/farewell/s3.secret", .text = "File with the secret key.")

WORKER("s3_session_token_file", CONF_SECRET, s3_session_token, .fallback = "",
       .text = "File with the session token that belongs to a temporary key.")

WORKER("s3_allow", CONF_ALLOW, s3_allow, .fallback = "",
       .example = "s3://media/users/{id}/ s3://avatars/{id}",
       .text =
           "The buckets and prefixes that the rows of an account may name, separated by spaces; "
           "{id} is the account's id, in a prefix or in a bucket's name. What ends without a slash "
           "ends a segment: s3://avatars/{id} allows 42 and 42/a of account 42, and never 421. "
           "Bytes are compared as the row has them. A row that names anything else is not "
           "touched: the account's other files are deleted, and the deletion is parked. Not set: "
           "a row may name any object that the access key may delete, another account's too, and "
           "a warning says so.")

WORKER("s3_versions", CONF_ENUM, s3_versions, .fallback = "all", .choices = versions,
       .text =
           "What deleting an object means in a bucket that keeps versions, or did once. all: every "
           "version and delete marker of exactly this key goes, and in every bucket its unfinished "
           "multipart uploads. It needs s3:GetBucketVersioning, s3:ListBucketVersions, "
           "s3:DeleteObjectVersion, s3:ListBucketMultipartUploads and s3:AbortMultipartUpload. A "
           "version that is locked until a date is deleted then. current: what a plain DELETE "
           "does; older versions stay, and uploads. The ledger counts the objects of which the "
           "store says so, and the mail tells the user.")

WORKER("s3_verify", CONF_BOOL, s3_verify, .fallback = "no",
       .text = "Whether the store is asked again, after each page of files, what it still has of "
               "them, so that it need not be believed that it has deleted. What is still there is "
               "tried again. It needs s3:ListBucket.")

WORKER("s3_ca_file", CONF_STRING, s3_ca_file, .fallback = "",
       .text = "File with the certificates of the authorities that are trusted (PEM). Empty: the "
               "system's.")

WORKER("s3_request_payer", CONF_ENUM, s3_request_payer, .fallback = "no", .choices = payers,
       .text =
           "requester says with each request to a bucket that whoever asks pays for it, which a "
           "bucket of Amazon's wants whose owner set it to Requester Pays; it answers "
           "AccessDenied else. Other stores mostly ignore it.")

WORKER("s3_timeout", CONF_DURATION, s3_timeout_ms, .fallback = "60s", .min = 100, .max = HOUR,
       .text = "For one whole request, to any store. A delete of 1000 objects takes a busy store "
               "some seconds; what takes longer than this is asked for again in halves.")

WORKER("s3_batch_keys", CONF_INT, s3_batch_keys, .fallback = "1000", .min = 1, .max = 1000,
       .text = "Objects per request at most. S3 takes 1000; lower it for a store that can't.")

WORKER("s3_batch_bytes", CONF_SIZE, s3_batch_bytes, .fallback = "1000000", .min = 4096,
       .max = 1000000,
       .text = "Bytes per request at most. curl asks first from 1 MiB on, and not every store can "
               "answer that.")

WORKER("smtp_url", CONF_ENDPOINT, smtp_url, .example = "smtp://mail.example.com:587",
       .choices = smtp, .topic = "Mail",
       .text = "The mail server, as smtp://host:port, or smtps://host:port for TLS from the first "
               "byte (port 465).")

WORKER("smtp_starttls", CONF_ENUM, smtp_starttls, .fallback = "required", .choices = starttls_kinds,
       .text = "Whether TLS is begun on an smtp:// connection. offered takes what the server "
               "offers, and an attacker can take the offer away; never is for a server on the same "
               "machine.")

WORKER("smtp_ca_file", CONF_STRING, smtp_ca_file, .fallback = "",
       .text = "File with the certificates of the authorities that are trusted (PEM). Empty: the "
               "system's.")

WORKER("smtp_helo", CONF_STRING, smtp_helo, .fallback = "",
       .text = "The name to greet the mail server with: a host name, such as app1.example.com, "
               "best one that leads to this "
               "host, or an address in brackets. Empty: this host's name if it has a dot in it; "
               "else, as for a container, its address in brackets (RFC 5321, 4.1.4), because "
               "servers refuse a name that is not fully qualified.")

WORKER("smtp_user", CONF_STRING, smtp_user, .fallback = "",
       .text = "Name to log in with. Empty: no log-in. Goes together with the file below.")

WORKER("smtp_password_file", CONF_SECRET, smtp_password, .fallback = "",
       .text = "File with its password.")

WORKER("smtp_auth", CONF_ENUM, smtp_auth, .fallback = "auto", .choices = smtp_auths,
       .text = "How to log in. auto takes the strongest mechanism that the server offers, also "
               "where it offers one that does not work there; then name the one that does. plain "
               "and login send the password itself, so only with TLS.")

WORKER("smtp_timeout", CONF_DURATION, smtp_timeout_ms, .fallback = "60s", .min = 100, .max = HOUR,
       .text = "For a mail until its last byte is handed over. What is not through by then is "
               "certainly not sent, and tried again.")

WORKER("smtp_answer_timeout", CONF_DURATION, smtp_answer_timeout_ms, .fallback = "10m", .min = 100,
       .max = HOUR,
       .text =
           "For the server's answer to a mail that was handed over whole; 10 minutes is what RFC "
           "5321 (4.5.3.2.6) wants. Lower it only for a server that is known to answer sooner: "
           "after that nobody knows whether the mail was sent, and when_unknown decides. A mail is "
           "begun only if smtp_timeout and smtp_answer_timeout together are left until "
           "soft_timeout, else the deletion is handed over first; so together they must be less "
           "than soft_timeout.")

WORKER("mail_from", CONF_STRING, mail_from, .example = "Example <no-reply@example.com>",
       .text = "The sender: an address, or a name and an address in angle brackets.")

WORKER("mail_templates", CONF_STRING, mail_templates, .fallback = FAREWELL_DATADIR "/mail",
       .example = "/usr/share/farewell/mail",
       .text = "Directory with the texts: LOCALE/subject.txt, LOCALE/deleted.txt and, if there "
               "should be HTML, LOCALE/deleted.html. Copy it before you change the texts.")

WORKER("mail_locale", CONF_STRING, mail_locale, .fallback = "en",
       .text = "For users without a locale, or with one that has no texts. ko-KR finds ko.")

WORKER("when_unknown", CONF_ENUM, when_unknown, .fallback = "resend", .choices = when_unknowns,
       .text = "What to do when a process died while a mail was being sent, so that nobody knows "
               "whether it went out. resend: send it again; one user in very many gets it twice. "
               "hold: leave it to a person; the mail is shown as unknown.")

WORKER("topology", CONF_ENUM, topology, .fallback = "declare", .choices = topologies,
       .topic = "Deletions",
       .text =
           "declare: one child declares the exchange and the queues, and an argument that "
           "differs from an existing queue's is an error. check: they must exist already, for a "
           "broker on which Farewell may not configure.")

WORKER("max_starts", CONF_INT, max_starts, .fallback = "5", .min = 1, .max = 1000,
       .text = "A deletion that was started so often without any outcome kills the children that "
               "work on it, so it is parked.")

WORKER("park_after", CONF_DURATION, park_after_ms, .fallback = "7d", .min = 1000, .max = 365 * DAY,
       .text =
           "A deletion that has been failing for so long is parked for a person. Count in days: "
           "stores come back.")

WORKER("operator_attempts", CONF_INT, operator_attempts, .fallback = "3", .min = 1, .max = 100,
       .text =
           "After so many failures in a row for which only a person can do something (a refused "
           "statement, AccessDenied, a missing bucket) a deletion is parked, if what failed "
           "has served another deletion meanwhile. What fails for everybody parks nobody: it "
           "is tried again for as long as park_after.")

WORKER("absent_user", CONF_ENUM, absent_user, .fallback = "park", .choices = absent_users,
       .text = "What a committed request means whose user has no row any more. park: a person "
               "looks, because row-level security, a view or a wrong search_path look the same. "
               "continue: the application removes rows on purpose, and the files are deleted.")

WORKER("touched_mark", CONF_ENUM, touched_mark, .fallback = "park", .choices = touched_marks,
       .text = "What it means that a deleted user has another deleted_at than when he was deleted. "
               "park: a person looks, because a user who was restored and then suspended looks the "
               "same. adopt: in this application deleted_at can only mean deleted, and something "
               "wrote it twice; the deletion goes on with the new value.")

WORKER("handover_after", CONF_DURATION, handover_after_ms, .fallback = "10m", .min = 100,
       .max = DAY,
       .text = "A deletion that takes longer is interrupted there: the rest goes back to the queue "
               "as a continuation, so that others get their turn and the broker its "
               "acknowledgement.")

WORKER("broker_consumer_timeout", CONF_DURATION, broker_consumer_timeout_ms, .fallback = "30m",
       .min = 1000, .max = 7 * DAY,
       .text = "What consumer_timeout of RabbitMQ is set to (30 minutes unless somebody changed "
               "it). Clients can't read it; this one is only there to be checked. Change both "
               "together.")

WORKER("foreign_grace", CONF_DURATION, foreign_grace_ms, .fallback = "15m", .max = 7 * DAY,
       .text = "A message from another producer whose user is not deleted (yet) is tried again for "
               "this long before it is dismissed.")

WORKER("lock_user_sql", CONF_SQL, lock_user_sql,
       .fallback = "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR SHARE",
       .topic = "The application's tables",
       .topic_text = "Each is one statement, checked before the worker serves.",
       .text = "The guard's question under a share lock: was the user deleted? Takes the id as $1; "
               "returns the id as the database writes it and deleted_at as text. No further "
               "condition in WHERE, no SKIP LOCKED and no NOWAIT. FOR SHARE needs UPDATE on one "
               "column of users.")

WORKER("user_contact_sql", CONF_SQL, user_contact_sql,
       .fallback = "SELECT email, name, locale FROM users WHERE id = $1",
       .text = "Whom to write to. Takes the canonical id as $1; returns mail address, name and "
               "locale, each of which may be null. No address: no mail.")

WORKER(
	"files_sql", CONF_SQL, files_sql,
	.fallback = "SELECT id::text, file_path FROM user_files WHERE user_id = $1 AND deleted_at IS "
				"NULL AND ($2::bigint IS NULL OR id > $2::bigint) ORDER BY user_files.id LIMIT $3",
	.text = "A page of the user's files that are still to be deleted. Takes the canonical id as "
			"$1, the last id of the page before or null as $2, the page's length as $3; returns "
			"id and path (s3://bucket/key) as text, ordered by the id, which must be another one "
			"in each row: where the paths are in an array, or the rows are of two tables, "
			"return id || '/' || path or the like (doc/ADOPT.md). A row more is asked for than "
			"files_page says. It needs an index. ORDER BY must name the table's column, as in "
			"user_files.id: a bare id means what is "
			"returned, which is text, where 100 comes before 99 and pages would leave rows out.")

WORKER("files_done_sql", CONF_SQL, files_done_sql,
       .fallback = "UPDATE user_files SET deleted_at = now() WHERE user_id = $1 AND id = ANY "
                   "($2::bigint[])",
       .text =
           "What becomes of the rows whose objects are gone. Takes the canonical id as $1 and "
           "their ids as an array as $2. DELETE FROM user_files WHERE user_id = $1 AND id = ANY "
           "($2::bigint[]) removes them instead of marking them. Rows that were done must not "
           "come back from files_sql.")

WORKER("prefixes_sql", CONF_SQL, prefixes_sql, .fallback = "",
       .text =
           "Where else the user's objects lie: everything below these prefixes is deleted after "
           "the rows, also what no row names. Takes the canonical id as $1; returns one column of "
           "text, s3://bucket/prefix/, as SELECT 's3://media/users/' || $1 || '/' does. A prefix "
           "ends with a slash, has no empty part and none of . "
           "or .., is never a whole bucket, and lies within s3_allow; where that has {id}, within "
           "what it allows by the account's id, else with the id between two of its slashes. One "
           "that does not is not touched, nor any other of the account, and the deletion is "
           "parked. It needs s3:ListBucket. Empty: none.")

WORKER("files_page", CONF_INT, files_page, .fallback = "1000", .min = 1, .max = 10000,
       .text = "How many files are read, deleted and recorded at a time.")

WORKER("reconciler", CONF_BOOL, reconciler, .fallback = "yes", .topic = "The reconciler",
       .text = "Whether this worker has a child that looks for requests whose message got lost. Of "
               "several only one is at work; switch it off where the user database must not be "
               "looked through.")

WORKER("reconcile_after", CONF_DURATION, reconcile_after_ms, .fallback = "15m", .min = 1000,
       .max = 7 * DAY,
       .text = "How old an unfinished request must be before its message may be published again; "
               "what the queue still has is left there, however old. It waits twice as long each "
               "further time.")

WORKER("reconcile_every", CONF_DURATION, reconcile_every_ms, .fallback = "1m", .min = 200,
       .max = DAY, .text = "How often it looks. What it finds it handles batch after batch.")

WORKER("reconcile_batch", CONF_INT, reconcile_batch, .fallback = "100", .min = 1, .max = 10000,
       .text = "How many requests it handles at a time.")

WORKER(
	"reconcile_queue_limit", CONF_INT, reconcile_queue_limit, .fallback = "1000", .max = INT32_MAX,
	.text = "It publishes no more while more messages than this are waiting, so that what is asked "
			"for now need not wait behind all that was lost. 0: only when the queue is empty.")

WORKER("sweep_after", CONF_DURATIONS, sweep_after, .fallback = "1h 1d", .min = 1000,
       .max = 365 * DAY,
       .text = "When a completed deletion looks for files that were recorded after its last look: "
               "an upload that was under way when the account was deleted. Each delay counts from "
               "the look before it. A repeated DELETE asks for a look at once.")
