/* The gateway's own settings; rows of conf_table.c. */
GATEWAY("auth", CONF_ENUM, auth, .example = "jwt", .choices = auth_kinds, .topic = "Who may delete",
        .text =
            "Who may delete an account. jwt: a bearer token of the user, or of an administrator. "
            "none: everybody who reaches nginx, for when something in front of it has checked "
            "already. There is no default, because a wrong one would be noticed too late.")

GATEWAY("jwt_algorithm", CONF_ENUM, jwt_algorithm, .fallback = "HS256", .choices = jwt_algorithms,
        .text = "The one algorithm that is accepted, whatever a token's header says.")

GATEWAY("jwt_key_file", CONF_SECRET, jwt_key, .fallback = "", .example = "/etc/farewell/jwt.key",
        .text =
            "File with the key that tokens are signed with; must be set for auth = jwt. At least "
            "32 bytes for HS256, 48 for HS384, 64 for HS512 (RFC 7518, 3.2). Make one with: "
            "openssl rand -hex 32")

GATEWAY("jwt_admin_claim", CONF_STRING, jwt_admin_claim, .fallback = "role",
        .text = "The claim that makes an administrator, who may delete anybody.")

GATEWAY("jwt_admin_value", CONF_STRING, jwt_admin_value, .fallback = "admin",
        .text = "The value that claim must have; a claim that is a list must hold it.")

GATEWAY("confirm_timeout", CONF_DURATION, confirm_timeout_ms, .fallback = "3s", .min = 50,
        .max = 5 * MINUTE, .topic = "Time",
        .text = "How long the broker may take to confirm a message. Without a confirm nothing is "
                "changed and the answer is 503. Raise it when the broker's disks are slow.")

GATEWAY("request_timeout", CONF_DURATION, request_timeout_ms, .fallback = "10s", .min = 200,
        .max = 10 * MINUTE,
        .text = "The deadline of a whole request. It is also how long a gateway host that vanished "
                "can hold a user's row.")

GATEWAY("nginx_read_timeout", CONF_DURATION, nginx_read_timeout_ms, .fallback = "15s", .min = 200,
        .max = 10 * MINUTE,
        .text = "What fastcgi_read_timeout in nginx is set to. Farewell can't see nginx's value; "
                "this one is only there to be checked. Change both together.")

GATEWAY("retry_after", CONF_DURATION, retry_after_ms, .fallback = "5s", .min = 1000, .max = HOUR,
        .text = "What Retry-After says in a 503, in whole seconds.")

GATEWAY("socket", CONF_STRING, socket, .fallback = "/run/farewell/gateway.sock", .min = 1,
        .max = SOCKET_PATH_BYTES, .topic = "The socket",
        .topic_text = "Changes need a restart: a reload that changes one of these is refused.",
        .text =
            "The UNIX socket that nginx connects to; an absolute path. A socket that systemd or "
            "spawn-fcgi hands over is used instead.")

GATEWAY("socket_mode", CONF_MODE, socket_mode, .fallback = "0660", .max = 0777,
        .text = "Its mode. Whoever can write to it can send any request, so let that be nginx's "
                "group and nobody else.")

GATEWAY("socket_group", CONF_STRING, socket_group, .fallback = "",
        .text = "Its group, such as www-data; Farewell's user must be a member. Empty: the group "
                "Farewell runs as.")

GATEWAY("backlog", CONF_INT, backlog, .fallback = "511", .min = 1, .max = 65535,
        .text =
            "How many connections may wait for a free child before nginx gets EAGAIN and answers "
            "502. The kernel's net.core.somaxconn is a limit of its own.")

GATEWAY("lock_user_sql", CONF_SQL, lock_user_sql,
        .fallback = "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR NO KEY UPDATE",
        .topic = "The application's table",
        .topic_text =
            "Each is one statement. It is checked before the gateway serves: that it prepares, "
            "takes these parameters, returns these columns, and locks.",
        .text =
            "Locks the user's row. Takes the id as $1; returns the id as the database writes it "
            "and deleted_at as text. FOR NO KEY UPDATE, and not FOR UPDATE, which would hold up "
            "every insert that refers to the user. No further condition in WHERE, no SKIP LOCKED "
            "and no NOWAIT: a deleted user must be found as well, and waited for.")

GATEWAY("mark_user_sql", CONF_SQL, mark_user_sql,
        .fallback =
            "UPDATE users SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING "
            "deleted_at::text",
        .text =
            "Marks the user deleted. Takes the canonical id as $1; returns deleted_at as stored, "
            "as text, and no row when it was set already.")
