/*
 * Farewell's protocol in Promela: the sequence, the message and the ledger of
 * DESIGN.md (sections 1, 3 and 5), for one account, two DELETE requests and two workers.
 * What becomes of one deletion in more detail is job.pml's.
 *
 * Every option that spends a fault is a place where a process dies, a
 * connection breaks or a server says no.  Spin tries every combination of
 * FAULTS of them, at every step, against every interleaving of the others.
 * The MUSTs say what has to hold on the way, Finish() how every run must end.
 * README.md tells what is left out and lists the -D switches.
 */

#ifndef FAULTS
#define FAULTS   2      /* deaths, cuts and refusals of any kind, in one run */
#endif
#ifndef RESTORES
#define RESTORES 1      /* how often the application takes a deletion back */
#endif
#define IDS      2      /* deletion id = number of the gateway's attempt */
#define MAXTURN  5      /* enough for four faults; checked */
#define BATCHES  2      /* the account's objects, in batches */
#define APP_MARK 3      /* users.deleted_at when set by other means */

#ifdef NO_MARK
#define NO_MARK_GATEWAY
#define NO_MARK_GUARD
#endif
#ifdef FIRST_LINE       /* the bare sequence, and faults that it survives alone */
#define NO_RECONCILER
#endif

#define FAULT       faults > 0
#ifdef FIRST_LINE       /* no job is refused or handed on, no queue is lost */
#define HARSH_FAULT false
#else
#define HARSH_FAULT faults > 0
#endif

#define MUST(cond, text) if :: (cond) :: else -> printf(text); assert(cond) fi

/* -- what the two databases hold ------------------------------------------- */

typedef Request {       /* farewell.request, committed rows only */
	byte mark;      /* 0: there is no such row */
	bool started;
	bool finished;
	bool cancelled  /* and nobody's "same deletion" any more */
};

#define OPEN      0     /* accepted, running or retrying */
#define COMPLETED 1
#define CANCELLED 2
#define PARKED    3

#define PENDING   0
#define SENDING   1
#define SENT      2
#define UNKNOWN   3

typedef Ledger {        /* farewell.deletion */
	byte turn;      /* 0: there is no such row */
	byte status;
	byte mail;
	byte lease      /* holder of the advisory lock; gone with its session */
};

byte users_mark;                /* users.deleted_at; 0 is NULL: active */
byte row_writer;                /* the gateway that holds the row FOR NO KEY UPDATE */
bool row_reader[3];             /* the workers that hold it FOR SHARE */
Request request[IDS + 1];
Ledger ledger[IDS + 1];
byte rows_left = BATCHES;       /* user_files, as far as progress is committed */

#define ROW_FREE (row_writer == 0 && !row_reader[1] && !row_reader[2])

/* The deletion that made the row's present mark, or 0. */
#ifdef NO_MARK_GATEWAY
#define PRESENT (users_mark == 0 -> 0 : \
	(request[1].mark != 0 -> 1 : (request[2].mark != 0 -> 2 : 0)))
#else
#ifdef CANCELLED_IS_SAME
#define LIVE(id) (request[id].mark == users_mark)
#else
#define LIVE(id) (request[id].mark == users_mark && !request[id].cancelled)
#endif
#define PRESENT (users_mark == 0 -> 0 : (LIVE(1) -> 1 : (LIVE(2) -> 2 : 0)))
#endif

/* -- the broker, S3, and what only the checker knows ----------------------- */

#define IDX(id, turn) (((id) - 1) * MAXTURN + (turn) - 1)

byte queue[IDS * MAXTURN];      /* a multiset: any order, any delay */
byte retry_1m[IDS * MAXTURN];   /* copies that wait for a lease to end */
byte messages[IDS + 1];         /* in both, for each deletion */
byte job[3];                    /* the deletion that each worker has in hand, */
byte turn[3];                   /* its message's turn, */
bool linked[3];                 /* and whether that delivery can still be acked */

byte objects_left = BATCHES;    /* S3 */
byte spare_mails[IDS + 1];      /* how many mails may still go out */
byte heir[IDS + 1];             /* highest turn surely published after the first */
bool owed;                      /* a deletion was promised and not taken back */
bool ended[IDS + 1];            /* the gateways that have answered or died */
byte faults = FAULTS;

inline put(id, t)
{
	MUST(t <= MAXTURN, "BROKEN model: MAXTURN is too small\n");
	queue[IDX(id, t)]++;
	messages[id]++
}

/* Between the commits of "sending" and "sent" a fault may cost a second mail,
 * by choice: under when_unknown = hold it may not. */
inline excuse(id)
{
#ifndef HOLD
	if
	:: ledger[id].mail == SENDING -> spare_mails[id]++
	:: else
	fi
#else
	skip
#endif
}

/* -- the gateway: one DELETE, answered or not ------------------------------ */

#define GATEWAY_DIES(text) \
	:: atomic { FAULT -> faults--; printf(text, me); unlock_row(); goto done }

inline unlock_row()
{
	if
	:: row_writer == me -> row_writer = 0
	:: else
	fi
}

inline commit_request()         /* UPDATE users, INSERT request, COMMIT */
{
	if
	:: users_mark == 0 -> users_mark = me
	:: else                 /* deleted by other means: deleted_at stays */
	fi;
	request[me].mark = users_mark;
	owed = true;
	unlock_row()
}

inline answer_gone(id)
{
	MUST(request[id].mark != 0, "BROKEN no lost deletion: 200 without a committed request\n");
	printf("gateway %d   answers 200, deletion %d\n", me, id)
}

inline answer_unchanged()
{
	unlock_row();
	MUST(request[me].mark == 0, "BROKEN honest answers: 503 says that nothing changed, and the request is committed\n");
	printf("gateway %d   answers 503, nothing changed\n", me)
}

proctype Gateway(byte me)
{
	byte same;              /* the deletion that this account already has */
	bool arrived;           /* the broker has the message */

	if
	:: true
	:: me == 2 -> goto done /* the second client never asks */
	fi;

	/* Lock the users row; then, in a second statement, read the request. */
	if
#ifdef LOCK_AFTER_PUBLISH
	:: atomic { true -> printf("gateway %d   reads the users row, no lock\n", me);
#else
	:: atomic { ROW_FREE -> row_writer = me;
		printf("gateway %d   locks the users row\n", me);
#endif
		same = PRESENT;
		if
		:: same != 0 ->
			owed = true;
			unlock_row();
			printf("gateway %d   finds that deletion %d is the same\n", me, same);
			answer_gone(same);
			goto done
		:: else
		fi }
	fi;

#ifdef PUBLISH_AFTER_COMMIT
	if
	:: atomic { row_writer == me -> commit_request();
		printf("gateway %d   commits request %d, mark %d\n", me, me, request[me].mark) }
	:: atomic { row_writer != me -> answer_unchanged(); goto done }
	GATEWAY_DIES("gateway %d   dies before COMMIT\n")
	fi;
#endif
	if
	:: atomic { true -> arrived = true; put(me, 1);
		printf("gateway %d   publishes message %d, turn 1\n", me, me) }
#ifdef NO_MANDATORY
	:: atomic { FAULT -> faults--; arrived = true;
		printf("gateway %d   publishes message %d: unroutable, dropped, acked\n", me, me) }
#else
	:: atomic { FAULT -> faults--;
		printf("gateway %d   publishes message %d: returned or lost\n", me, me) }
#endif
	GATEWAY_DIES("gateway %d   dies before the publish\n")
	fi;

#ifdef PUBLISH_AFTER_COMMIT
	if
#ifdef ANSWER_200       /* "best effort" */
	:: atomic { !arrived -> answer_gone(me) }
#else
	:: atomic { !arrived -> answer_unchanged() }
#endif
	:: atomic { arrived -> answer_gone(me) }
	fi;
#else
	if
#ifdef LOCK_AFTER_PUBLISH
	:: atomic { arrived && ROW_FREE && PRESENT != 0 -> /* unique violation */
		printf("gateway %d   finds another deletion\n", me);
		answer_unchanged(); goto done }
	:: atomic { arrived && ROW_FREE && PRESENT == 0 -> commit_request();
#else
	:: atomic { arrived && row_writer == me -> commit_request();
#endif
		printf("gateway %d   is confirmed, commits request %d, mark %d\n", me, me, request[me].mark);
		answer_gone(me); goto done }
	:: atomic { arrived && row_writer == me && FAULT -> faults--; commit_request();
		printf("gateway %d   commits request %d, mark %d, and never hears so\n", me, me, request[me].mark) }
#ifndef LOCK_AFTER_PUBLISH
	:: atomic { arrived && row_writer != me ->
		printf("gateway %d   fails to commit: its session was lost\n", me) }
#endif
	:: atomic { !arrived -> printf("gateway %d   is not confirmed, rolls back\n", me);
		answer_unchanged(); goto done }
	:: atomic { arrived && FAULT -> faults--;       /* now there is a ghost */
		printf("gateway %d   is not confirmed in time, rolls back\n", me);
		answer_unchanged(); goto done }
	GATEWAY_DIES("gateway %d   dies between publish and COMMIT\n")
	fi;

	/* COMMIT's outcome is unknown: lock, then read, answer what is true. */
	if
	:: atomic { ROW_FREE && request[me].mark != 0 ->
		printf("gateway %d   looks: it was committed\n", me); answer_gone(me) }
	:: atomic { ROW_FREE && request[me].mark == 0 ->
		printf("gateway %d   looks: it was rolled back\n", me); answer_unchanged() }
	:: atomic { FAULT -> faults--;
		printf("gateway %d   can't look: answers 503, outcome unknown\n", me) }
	fi;
#endif
done:	atomic { same = 0; arrived = false; ended[me] = true }
}

/* -- the application: transactions of its own on the users row ------------- */

#ifdef REUSE            /* a finished account may be activated again */
#define STARTED(id) (request[id].mark == users_mark && request[id].started && !request[id].finished)
#else
#define STARTED(id) (request[id].mark == users_mark && request[id].started)
#endif

proctype Application()
{
	byte restores = RESTORES;
	bool may_mark = true;
#ifdef OLD_MARKS        /* an ORM that writes a stale row back */
	byte old_mark;
#define OLD_MARK_IS(mark) old_mark = mark
#else
#define OLD_MARK_IS(mark) skip
#endif

end:	do
	:: atomic { restores > 0 && users_mark != 0 && ROW_FREE && !STARTED(1) && !STARTED(2) ->
		restores--; OLD_MARK_IS(users_mark); users_mark = 0; owed = false;
		printf("application restores the account\n") }
	:: atomic { may_mark && users_mark == 0 && ROW_FREE ->
		may_mark = false; users_mark = APP_MARK;
		printf("application marks the account deleted itself, mark %d\n", APP_MARK) }
#ifdef OLD_MARKS
	:: atomic { old_mark != 0 && users_mark == 0 && ROW_FREE ->
		users_mark = old_mark; old_mark = 0; may_mark = false;
		printf("application writes the old mark %d back\n", users_mark) }
#endif
	:: atomic { restores > 0 || may_mark -> restores = 0; may_mark = false }
	od
}

/* -- the worker: one message at a time ------------------------------------- */

#define MINE     ledger[job[me]]
#define ASKED    request[job[me]]

#ifdef NO_LEASE
#define LEASED(id)  false
#define SESSION     true
#else
#define LEASED(id)  (ledger[id].lease != 0)
#define SESSION     (MINE.lease == me)  /* else a statement finds it broken */
#endif

#ifdef NO_TURN
#define SUPERSEDED  false
#else
#define SUPERSEDED  (turn[me] < MINE.turn)
#endif

/* What a process leaves: the broker takes the message back, the databases
 * drop the locks.  Nothing else remembers. */
inline drop_job()
{
	d_step {
	if
	:: linked[me] -> put(job[me], turn[me]); linked[me] = false
	:: else
	fi;
	if
	:: MINE.lease == me -> MINE.lease = 0
	:: else
	fi;
	row_reader[me] = false;
	job[me] = 0; turn[me] = 0; batch = 0; next = 0; seen = false; go = false
	}
}

#define ACK(text) printf(text, me); acked()

inline acked()
{
	if
	:: linked[me] -> linked[me] = false
	:: else -> printf("worker %d    was cut off before: that ack counts for nothing\n", me)
	fi;
	drop_job()
}

#define WORKER_DIES(text) \
	:: atomic { FAULT -> faults--; printf(text, me); \
		if :: SESSION -> excuse(job[me]) :: else fi; \
		drop_job(); goto idle }

#define OR_ABANDONS \
	:: atomic { !SESSION -> drop_job(); \
		printf("worker %d    abandons: its session is gone\n", me); goto idle }

/* Idle workers are alike, so it is enough to let the first of them take it. */
#define MY_GO (me == 1 || job[1] != 0)

#define TAKE(id, t) \
	:: atomic { MY_GO && queue[IDX(id, t)] > 0 -> queue[IDX(id, t)]--; taken(id, t) } \
	:: atomic { MY_GO && retry_1m[IDX(id, t)] > 0 && !LEASED(id) -> retry_1m[IDX(id, t)]--; taken(id, t) }

inline taken(id, t)
{
	messages[id]--;
	job[me] = id; turn[me] = t; linked[me] = true;
	printf("worker %d    takes message %d, turn %d\n", me, id, t)
}

inline send_mail()
{
	MUST(objects_left == 0, "BROKEN no lost deletion: mail sent with objects left\n");
	MUST(spare_mails[job[me]] > 0, "BROKEN one mail: another one goes out\n");
	spare_mails[job[me]]--
}

proctype Worker(byte me)
{
	byte batch;             /* the next one, counted down */
	byte next;              /* the turn it hands on */
	bool seen;              /* the guard found the request */
	bool go;                /* and it is the one of the row's mark */

end_idle:
idle:	if
	TAKE(1, 1) TAKE(1, 2) TAKE(1, 3) TAKE(1, 4) TAKE(1, 5)
	TAKE(2, 1) TAKE(2, 2) TAKE(2, 3) TAKE(2, 4) TAKE(2, 5)
	fi;

	/* The lease, and in the same round trip the ledger. */
	if
	:: atomic { !LEASED(job[me]) ->
		if
		:: SUPERSEDED -> ACK("worker %d    acks: superseded\n"); goto idle
		:: !SUPERSEDED && (MINE.status == COMPLETED || MINE.status == CANCELLED) ->
			ACK("worker %d    acks: was finished already\n"); goto idle
		:: else -> MINE.lease = me
		fi }
	:: atomic { LEASED(job[me]) ->
		printf("worker %d    finds the lease held by worker %d\n", me, MINE.lease);
		goto hand_back }
	WORKER_DIES("worker %d    dies before the lease\n")
	fi;

	/* The guard's first statement waits for the gateway's transaction. */
#ifdef JOINED_GUARD
	seen = (ASKED.mark != 0);
#endif
	/* The second one reads the request; nothing can come between them. */
	if
#ifdef NO_ROW_LOCK
	:: atomic { true ->
#else
	:: atomic { row_writer == 0 -> row_reader[me] = true;
#endif
#ifndef JOINED_GUARD
		seen = (ASKED.mark != 0);
#endif
#ifdef NO_MARK_GUARD
		go = (seen && users_mark != 0);
#else
		go = (seen && users_mark == ASKED.mark && !ASKED.cancelled);
#endif
		if
		:: !seen -> printf("worker %d    guard: request %d is absent\n", me, job[me])
		:: seen && !go -> printf("worker %d    guard: request %d is there, the row has another mark\n", me, job[me])
		:: go -> printf("worker %d    guard: request %d is there, the row has its mark\n", me, job[me])
		fi }
	:: atomic { HARSH_FAULT -> faults--;
		printf("worker %d    guard: lock time-out, counted\n", me);
		goto hand_on }
	WORKER_DIES("worker %d    dies before the guard\n")
	fi;
	if
	:: atomic { go ->
#ifndef NO_STARTED
		ASKED.started = true;
#endif
		row_reader[me] = false;
		printf("worker %d    guard: stamps started_at, releases the row\n", me) }
	:: atomic { seen && !go ->
#ifndef CANCELLED_LATE
		ASKED.cancelled = true;
#endif
		row_reader[me] = false }
	:: atomic { !seen && (MINE.turn > 0 || turn[me] > 1) -> row_reader[me] = false;
		printf("worker %d    guard: though it was seen before\n", me); goto park }
	:: atomic { !seen && MINE.turn == 0 && turn[me] == 1 ->
		ACK("worker %d    acks: aborted\n"); goto idle }
	WORKER_DIES("worker %d    dies in the guard\n")
	fi;

	/* The ledger. */
	if
	:: atomic { SESSION && !SUPERSEDED && !(MINE.status == COMPLETED || MINE.status == CANCELLED) ->
		MINE.turn = turn[me];
		if
		:: !go -> MINE.status = CANCELLED;
			printf("worker %d    ledger: cancelled\n", me); goto acknowledge
		:: else
		fi;
		MINE.status = OPEN;
		MUST(turn[me] >= heir[job[me]], "BROKEN nothing stuck: a job that was handed on goes on from its old message too, duplicates breed\n");
		batch = rows_left;
		printf("worker %d    ledger: starts deletion %d, batches left %d\n", me, job[me], batch) }
	:: atomic { SESSION && (SUPERSEDED || MINE.status == COMPLETED || MINE.status == CANCELLED) ->
		ACK("worker %d    acks: superseded, or finished already\n"); goto idle }
	OR_ABANDONS
	WORKER_DIES("worker %d    dies before the ledger\n")
	fi;

	do
	:: atomic { batch > 0 ->
		MUST(ASKED.mark != 0, "BROKEN no false deletion: objects deleted without a committed request\n");
		MUST(users_mark != 0, "BROKEN no false deletion: objects of an active account deleted\n");
		MUST(users_mark == ASKED.mark, "BROKEN no false deletion: objects deleted for a deletion that was taken back\n");
		if
		:: objects_left >= batch -> objects_left = batch - 1
		:: else
		fi;
		printf("worker %d    S3: batch %d is gone\n", me, batch) };
		if
		:: atomic { SESSION ->
			if
			:: rows_left >= batch -> rows_left = batch - 1
			:: else
			fi;
			batch--;
			printf("worker %d    commits progress\n", me) }
		OR_ABANDONS
		WORKER_DIES("worker %d    dies before the progress commit\n")
		fi
	:: atomic { batch > 0 && HARSH_FAULT -> faults--;
		printf("worker %d    S3 fails: retry\n", me); goto hand_on }
	:: atomic { HARSH_FAULT -> faults--;
		printf("worker %d    time is up: continuation\n", me); goto hand_on }
	:: atomic { batch > 0 && HARSH_FAULT -> faults--;
		printf("worker %d    S3 denies\n", me); goto park }
	:: atomic { batch == 0 && SESSION ->
#ifdef HOLD
		if
		:: MINE.mail == SENDING ->
			MINE.mail = UNKNOWN; MINE.status = COMPLETED;
			printf("worker %d    ledger: found sending, now unknown; completed\n", me);
			goto acknowledge
		:: else
		fi;
#endif
		MINE.mail = SENDING;
		printf("worker %d    ledger: mail sending\n", me);
		break }
	:: atomic { batch == 0 && !SESSION -> drop_job();
		printf("worker %d    abandons: its session is gone\n", me); goto idle }
	WORKER_DIES("worker %d    dies between two batches or before the mail\n")
	od;

	/* The window: from here to "sent" nobody knows about the mail. */
	if
	:: atomic { true -> send_mail();
		printf("worker %d    sends the mail\n", me) }
	:: atomic { HARSH_FAULT -> faults--;
		printf("worker %d    SMTP: not now\n", me);
		if
		:: SESSION -> MINE.mail = PENDING; goto hand_on
		:: else -> drop_job(); goto idle
		fi }
	:: atomic { HARSH_FAULT -> faults--;
#ifndef ONLY_DEATHS_EXCUSE
		if
		:: SESSION -> excuse(job[me])
		:: else
		fi;
#endif
		send_mail();
		printf("worker %d    sends the mail, the reply is lost\n", me); goto hand_on }
	WORKER_DIES("worker %d    dies before sending\n")
	fi;
	if
#ifdef ABANDON_ON_BROKER_LOSS
	:: atomic { !linked[me] -> drop_job();
		printf("worker %d    abandons: the broker is gone\n", me); goto idle }
	:: atomic { SESSION && linked[me] ->
#else
	:: atomic { SESSION ->
#endif
		MINE.mail = SENT; MINE.status = COMPLETED;
		printf("worker %d    ledger: mail sent, completed\n", me) }
	OR_ABANDONS
	WORKER_DIES("worker %d    dies after the mail\n")
	fi;

acknowledge:
	if
	:: atomic { true -> ACK("worker %d    acks: done\n"); goto idle }
	WORKER_DIES("worker %d    dies before the ack\n")
	fi;

park:           /* is a turn; its copy in farewell.parked is job.pml's */
	if
	:: atomic { SESSION -> MINE.status = PARKED;
		MINE.turn = (MINE.turn > turn[me] -> MINE.turn : turn[me]) + 1;
		printf("worker %d    ledger: parked, turn %d\n", me, MINE.turn) }
	OR_ABANDONS
	WORKER_DIES("worker %d    dies before it parks\n")
	fi;
	if
	:: atomic { true -> ACK("worker %d    acks: parked\n"); goto idle }
	WORKER_DIES("worker %d    dies before it acks what it parked\n")
	fi;

hand_on:        /* retry or continuation: the next turn to the ledger, publish, ack */
#ifndef TURN_AFTER_PUBLISH
	if
	:: atomic { SESSION -> MINE.status = OPEN;
		MINE.turn = (MINE.turn > turn[me] -> MINE.turn : turn[me]) + 1; next = MINE.turn;
		printf("worker %d    ledger: turn %d\n", me, next) }
	OR_ABANDONS
	WORKER_DIES("worker %d    dies before the next turn\n")
	fi;
#else
	next = MINE.turn + 1;
#endif
	if
	:: atomic { true -> put(job[me], next); heir[job[me]] = next;
		printf("worker %d    publishes message %d, turn %d\n", me, job[me], next) }
	:: atomic { FAULT -> faults--; put(job[me], next);
		printf("worker %d    publishes message %d, turn %d, no confirm: abandons\n", me, job[me], next);
		drop_job(); goto idle }
	:: atomic { FAULT -> faults--;
		printf("worker %d    publishes message %d, turn %d, returned or lost: abandons\n", me, job[me], next);
		drop_job(); goto idle }
	WORKER_DIES("worker %d    dies before it hands on\n")
	fi;
#ifdef TURN_AFTER_PUBLISH
	if
	:: atomic { SESSION -> MINE.turn = next;
		printf("worker %d    ledger: turn %d\n", me, next) }
	OR_ABANDONS
	WORKER_DIES("worker %d    dies before the next turn\n")
	fi;
#endif
	if
	:: atomic { true -> ACK("worker %d    acks: handed on\n"); goto idle }
	WORKER_DIES("worker %d    dies before it acks what it handed on\n")
	fi;

hand_back:      /* uncounted: the same turn again, later */
	if
	:: atomic { true -> retry_1m[IDX(job[me], turn[me])]++; messages[job[me]]++;
		row_reader[me] = false;
		printf("worker %d    hands message %d, turn %d back to retry.1m\n", me, job[me], turn[me]) }
	:: atomic { FAULT -> faults--; put(job[me], turn[me]);
		printf("worker %d    hands message %d back, no confirm: abandons\n", me, job[me]);
		drop_job(); goto idle }
	WORKER_DIES("worker %d    dies before it hands back\n")
	fi;
	if
	:: atomic { true -> ACK("worker %d    acks: handed back\n"); goto idle }
	WORKER_DIES("worker %d    dies before it acks what it handed back\n")
	fi
}

/* -- the reconciler -------------------------------------------------------- */

#define UNFINISHED(id) (request[id].mark != 0 && !request[id].finished)
#define SILENT(id)     (messages[id] == 0 && job[1] != id && job[2] != id)

#define CARRY(id) \
	:: atomic { UNFINISHED(id) && (ledger[id].status == COMPLETED || ledger[id].status == CANCELLED) -> \
		request[id].finished = true; \
		request[id].cancelled = (ledger[id].status == CANCELLED); \
		printf("reconciler  request %d is finished\n", id) }

/* It waits long against everything else: to come early is a fault.  The lease
 * is asked for and the turn committed at once: it takes the lease for that. */
#define CLAIM(id) \
	:: atomic { UNFINISHED(id) && ledger[id].status == OPEN && !LEASED(id) && SILENT(id) -> \
		claim(id); goto publish } \
	:: atomic { UNFINISHED(id) && ledger[id].status == OPEN && !LEASED(id) && !SILENT(id) && HARSH_FAULT -> \
		faults--; claim(id); goto publish }

/* The ledger's unfinished rows are compared with the requests. */
#define COMPARE(id) \
	:: atomic { ledger[id].turn != 0 && ledger[id].status == OPEN && request[id].mark == 0 && \
		ended[id] && SILENT(id) -> ledger[id].status = PARKED; \
		printf("reconciler  parks deletion %d, which no request asks for\n", id) }

/* A person, sooner or later: moves the parked message back, or closes what can't go on. */
#define REPLAY(id) \
	:: atomic { ledger[id].status == PARKED && SILENT(id) && request[id].mark != 0 -> \
		next = ledger[id].turn; put(id, next); heir[id] = next; \
		printf("operator    replays deletion %d, turn %d\n", id, next); next = 0 } \
	:: atomic { ledger[id].status == PARKED && SILENT(id) && request[id].mark == 0 && ended[id] -> \
		ledger[id].status = CANCELLED; \
		printf("operator    closes deletion %d: there is no such request\n", id) }

inline claim(id)
{
	if
	:: ledger[id].turn == 0 -> ledger[id].turn = 2  /* no row counts as turn 1 */
	:: else -> ledger[id].turn++
	fi;
	this = id; next = ledger[id].turn;
	printf("reconciler  ledger: deletion %d, turn %d\n", id, next)
}

proctype Reconciler()
{
	byte this, next;

end_idle:
idle:	if
	CARRY(1) CARRY(2) REPLAY(1) REPLAY(2)
#ifndef NO_RECONCILER
	CLAIM(1) CLAIM(2) COMPARE(1) COMPARE(2)
#endif
	fi;
	goto idle;

publish:
	if
	:: atomic { true -> put(this, next); heir[this] = next;
		printf("reconciler  publishes message %d, turn %d\n", this, next);
		this = 0; next = 0; goto idle }
	:: atomic { FAULT -> faults--; put(this, next);
		printf("reconciler  publishes message %d, turn %d, no confirm\n", this, next);
		this = 0; next = 0; goto idle }
	:: atomic { FAULT -> faults--;
		printf("reconciler  dies before it publishes\n");
		this = 0; next = 0; goto idle }
	fi
}

/* -- servers and networks -------------------------------------------------- */

#define BROKER_DROPS(w) \
	:: atomic { linked[w] && FAULT -> faults--; linked[w] = false; \
		put(job[w], turn[w]); \
		printf("broker      loses the connection of worker %d, will redeliver\n", w) }

#ifdef ONLY_DEATHS_EXCUSE
#define EXCUSE_SESSION(id) skip
#else
#define EXCUSE_SESSION(id) excuse(id)
#endif

#define LEASE_DROPS(id) \
	:: atomic { LEASED(id) && FAULT -> faults--; EXCUSE_SESSION(id); \
		printf("database    loses the session of worker %d, and its lease\n", ledger[id].lease); \
		ledger[id].lease = 0 }

proctype Servers()
{
	byte i;

end_idle:
	do
	BROKER_DROPS(1) BROKER_DROPS(2)
	LEASE_DROPS(1) LEASE_DROPS(2)
	:: atomic { row_writer != 0 && FAULT -> faults--;
		printf("database    loses the session of gateway %d, rolls back\n", row_writer);
		row_writer = 0 }
	:: atomic { (messages[1] + messages[2] > 0 || linked[1] || linked[2]) && HARSH_FAULT -> faults--;
		for (i : 0 .. IDS * MAXTURN - 1) { queue[i] = 0; retry_1m[i] = 0 }
		i = 0;
		messages[1] = 0; messages[2] = 0;
		linked[1] = false; linked[2] = false;
		printf("broker      loses every message\n") }
	od
}

/* -- how every run must end ------------------------------------------------ */

#define CLOSED(id) (ledger[id].turn == 0 || ledger[id].status == COMPLETED || ledger[id].status == CANCELLED)

proctype Finish()
{
end_wait:
	atomic { timeout ->
		MUST(messages[1] + messages[2] == 0, "BROKEN nothing stuck: a message is left\n");
		MUST(!UNFINISHED(1) && !UNFINISHED(2), "BROKEN no lost deletion: a committed request is never finished\n");
		MUST(!owed || (objects_left == 0 && PRESENT != 0), "BROKEN no lost deletion: promised, and objects are left\n");
		MUST(CLOSED(1) && CLOSED(2),
			"BROKEN nothing stuck: a ledger row stays open\n") }
}

#ifdef EVENTUALLY       /* the same as a claim over whole runs, however they go on */
#define DONE(id) (request[id].mark == users_mark && ledger[id].status == COMPLETED)
#define GONE     (objects_left == 0 && (DONE(1) || DONE(2)))
ltl no_lost_deletion { [] (owed -> <> (!owed || GONE)) }
#endif

init
{
	atomic {
		spare_mails[1] = 1; spare_mails[2] = 1;
		run Gateway(1);
#ifndef ONE_REQUEST
		run Gateway(2);
#endif
#ifndef NO_APPLICATION
		run Application();
#endif
		run Worker(1); run Worker(2); run Reconciler();
		run Servers(); run Finish()
	}
}
