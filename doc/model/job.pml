/*
 * One deletion from its message to its end, in Promela: ledger and request with statuses of
 * their own, parking and replay, starts and deliveries, the mail, sweeps, the reconciler
 * (DESIGN.md, section 5).  The gateway's part is farewell.pml's; here its transaction is over.
 *
 * Every option that spends a fault is a place where a process dies, a connection breaks or a
 * server says no.  Spin tries every combination of FAULTS of them, at every step, against
 * every interleaving of the others.  The MUSTs say what has to hold on the way, Finish() how
 * every run must end.  README.md tells what is left out and lists the -D switches.
 */

#ifndef FAULTS
#define FAULTS     2    /* deaths, cuts and refusals of any kind, in one run */
#endif
#ifndef MAX_STARTS
#define MAX_STARTS 1    /* worker.max_starts: the child that finds more parks the job */
#endif
#define DELIVERED  2    /* delivered so often before: parked unseen (30 in the code) */
#define MAILS_MAX  2
#ifndef SWEEPS
#define SWEEPS     0    /* entries of worker.sweep_after */
#endif

#define FAULT faults > 0
#define MUST(cond, text) if :: (cond) :: else -> printf(text); assert(cond) fi

/* -- the user database ------------------------------------------------------ */

#define ACTIVE  0       /* the users row: no mark, */
#define MARKED  1       /* the request's, */
#define TOUCHED 2       /* another one that no request has, */
#define ABSENT  3       /* or there is no row */

#define OPEN      0     /* accepted, running or retrying */
#define PARKED    1
#define COMPLETED 2
#define CANCELLED 3
#define FINISHED(status) (status >= COMPLETED)

byte users = MARKED;
bool absent_user;               /* worker.absent_user = continue */
bool committed;                 /* the gateway's transaction was, once */
bool asked;                     /* farewell.request has the row */
bool started;                   /* started_at */
byte request;                   /* status, a copy, */
byte copied;                    /* and which version of the ledger's */

/* -- the worker database ---------------------------------------------------- */

bool row;                       /* farewell.deletion has one: its turn, which messages are */
byte ledger;                    /*   compared with, is age 0 of everything below; status, */
byte version, reported;
byte lease;                     /* holder of the advisory lock; gone with its session */
byte starts;
byte mail, mails;               /* mails: begun, and not taken back */
byte swept;
bool sweep_due;                 /* sweep_at */
byte files = 1;                 /* user_files: bit 1 from the start, 2 late, 4 after a restore */

#define PENDING 0
#define SENDING 1
#define SENT    2
#define UNKNOWN 3
#define REFUSED 4
#define NONE    5

/* -- the broker ------------------------------------------------------------- */

/* Messages by their turn's age and by how often they were delivered before.  Age 0 is the
 * ledger's turn, 1 the one before; what is older is superseded whoever takes it, and gone. */
#define IDX(age, times) ((age) * (DELIVERED + 1) + (times))

byte queue[2 * (DELIVERED + 1)];
byte later[2];                  /* set aside until the lease is free and no mail under way */
byte parked_queue[2];
byte messages;                  /* in queue and later */

bool linked[3];                 /* the delivery that each worker has can still be acked, */
bool busy[3];                   /* he is at it, */
byte age[3];                    /* its turn's age, 2 or more: old, */
byte times[3];                  /* how often it was delivered before, */
byte told[3], telling[3];       /* and the version and status that he is about to report */
byte claimed = 2;               /* the age of the turn that the reconciler publishes */
byte heard, hearing;            /* and the version and status that he is about to report */

/* -- S3, the mail server, and what only the checker knows ------------------- */

byte objects = 1;
#ifdef NO_ADDRESS
bool address;                   /* user_contact_sql has one */
#else
#define address true
#endif
bool smtp[3];                   /* who may be at a mail, for hard_timeout is not over */
byte fact[3];                   /* what only this process knows of the mail */
byte sent;                      /* mails that went out */
bool doubt;                     /* a mail's fate is unknown to everybody, */
bool cut_off;                   /* or only to one who can't write it down */
bool excused;                   /* a second one may go out */
bool final;                     /* the deletion was completed once: no mail any more */
bool permit;                    /* a person has replayed it */
byte deaths;                    /* starts without an outcome, since the last one */
bool requeued;                  /* for a server's sake */
bool owed = true;               /* promised, and not taken back */
byte owed_files = 1;            /* that must be gone in the end */
bool vanished, said;            /* the request is lost in a fail-over; somebody says so */
byte faults = FAULTS;
byte k;                         /* of loops; 0 between them */

#define SILENT (messages == 0 && !busy[1] && !busy[2])

inline put(how_old, often)
{
	if
	:: (how_old) < 2 ->
		queue[IDX(how_old, (often > DELIVERED -> DELIVERED : often))]++; messages++
	:: else
	fi
}

/* Versions are only compared: keep them small, in their order. */
#define HELD(v) (copied == (v) || reported == (v) || heard == (v) || told[1] == (v) || told[2] == (v))
#define LOWER(x) if :: x > k -> x-- :: else fi

inline change(status)           /* every UPDATE that the request must hear of */
{
	d_step {
		ledger = status; version++; k = 1;
		do
		:: k < version && HELD(k) -> k++
		:: k < version && !HELD(k) ->
			LOWER(version); LOWER(copied); LOWER(reported); LOWER(heard);
			LOWER(told[1]); LOWER(told[2])
		:: else -> break
		od;
		k = 0
	}
}

inline next_turn()
{
	d_step {
		messages = messages - queue[IDX(1, 0)] - queue[IDX(1, 1)] - queue[IDX(1, 2)] - later[1];
		queue[IDX(1, 0)] = queue[IDX(0, 0)]; queue[IDX(0, 0)] = 0;
		queue[IDX(1, 1)] = queue[IDX(0, 1)]; queue[IDX(0, 1)] = 0;
		queue[IDX(1, 2)] = queue[IDX(0, 2)]; queue[IDX(0, 2)] = 0;
		later[1] = later[0]; later[0] = 0;
		parked_queue[1] = parked_queue[0]; parked_queue[0] = 0;
		if :: busy[1] && age[1] < 3 -> age[1]++ :: else fi;
		if :: busy[2] && age[2] < 3 -> age[2]++ :: else fi;
		if :: claimed < 2 -> claimed++ :: else fi;
		row = true
	}
}

/* The request hears of a version, then the ledger that it has. */
inline report(number, status, noted)
{
	d_step {
		if
#ifdef REPORT_OVERTAKES
		:: asked && !FINISHED(request) -> request = status; copied = number
#else
		:: asked && !FINISHED(request) && copied < number -> request = status; copied = number
#endif
		:: else
		fi;
		if
		:: noted && reported < number -> reported = number
		:: else
		fi;
		number = 0; status = 0
	}
}

/* -- the worker ------------------------------------------------------------- */

#define SESSION (lease == me)   /* else a statement finds it broken */
#define FENCE   (age[me] == 0 && !FINISHED(ledger))
#define OTHER   (3 - me)
#define MAY_RESEND (RESEND && begun < MAILS_MAX)
#ifdef HOLD
#define RESEND false
#else
#define RESEND true
#endif

inline forget()
{
	d_step {
		if :: SESSION -> lease = 0 :: else fi;
		busy[me] = false; age[me] = 0; times[me] = 0; told[me] = 0; telling[me] = 0;
		smtp[me] = false; page = 0; begun = 0; found = 0; counted = false; mine = 0; fact[me] = 0;
		seen = false; young = false; result = 0; parking = false
	}
}

#define ACK(text) printf(text, me); linked[me] = false

#define DIES(text) \
	:: atomic { FAULT -> faults--; printf(text, me); \
		if :: linked[me] -> linked[me] = false; put(age[me], times[me] + 1) :: else fi; \
		if :: smtp[me] || fact[me] == SENT -> doubt = true :: else fi; \
		if :: counted && mine > 0 && age[me] == 0 && !FINISHED(ledger) -> deaths++ :: else fi; \
		forget(); goto idle }

#ifdef MAIL_BOUND       /* old means as old as a mail may take, and not as a job may take */
#define CONVERSATION_ENDS smtp[me] = false
#else
#define CONVERSATION_ENDS skip
#endif

#define MY_GO (me == 1 || busy[1])

#define TAKE(how_old, often) \
	:: atomic { MY_GO && queue[IDX(how_old, often)] > 0 -> queue[IDX(how_old, often)]--; \
		messages--; busy[me] = true; linked[me] = true; age[me] = how_old; times[me] = often; \
		printf("worker %d    takes a message of turn %d before the present one, delivered %d times before\n", me, how_old, often) }
#define TAKE_LATER(how_old) \
	:: atomic { MY_GO && later[how_old] > 0 && lease == 0 && !smtp[1] && !smtp[2] -> \
		later[how_old]--; \
		messages--; busy[me] = true; linked[me] = true; age[me] = how_old; times[me] = 0; \
		printf("worker %d    takes a message that was set aside, of turn %d before the present one\n", me, how_old) }

/* What a person replayed is worked on once. */
inline unpark()
{
	if
	:: ledger == PARKED ->
		MUST(permit, "BROKEN nothing stuck: what was parked goes on, and nobody has replayed it\n");
		permit = false; starts = 0; deaths = 0
	:: else
	fi
}

#define GIVES_UP(text) printf(text, me); smtp[me] = false; \
	if :: fact[me] == SENT -> cut_off = true :: else fi; goto away

/* A fact isn't fenced. */
inline write_fact()
{
	if
#ifdef FACT_FENCED
	:: fact[me] == SENT && mail == SENDING && age[me] == 0 -> mail = SENT; change(ledger)
#else
	:: fact[me] == SENT && mail == SENDING -> mail = SENT; change(ledger)
#endif
	:: fact[me] == PENDING + 1 && mail == SENDING && FENCE -> mail = PENDING; mails--
	:: else
	fi;
	if :: fact[me] == SENT -> cut_off = false :: else fi;
	fact[me] = 0; smtp[me] = false
}
#define NOT_SENT (PENDING + 1)

/* Of a job that was given up for a server's sake. */
inline uncount()
{
	if
#ifdef UNCOUNT_BY_TURN
	:: counted && FENCE && starts > 0 -> starts--
#else
	:: counted && FENCE && starts > 0 && starts == mine -> starts--
#endif
	:: else
	fi;
	counted = false; mine = 0
}

inline go_out()
{
	MUST(objects == 0 || (objects & owed_files) == 0 || files != 0, "BROKEN no lost deletion: mail sent with objects left\n");
	MUST(!final, "BROKEN one mail: another one after the deletion was completed\n");
	MUST(sent < 2, "BROKEN one mail: a third one\n");
	MUST(sent < 1 || excused, "BROKEN one mail: a second one, and the first one's fate is known\n");
#ifdef HOLD
	MUST(sent < 1, "BROKEN one mail: a second one, though when_unknown is hold\n");
#endif
	sent++
}

proctype Worker(byte me)
{
	byte page;              /* files that were read and are to be deleted */
	byte found, begun;      /* the ledger's mail and mails, when the start was counted */
	byte mine;              /* the ledger's starts then; 0: its answer was lost */
	bool counted;           /* a start was, or may have been */
	bool young;             /* a mail that was marked may be under way, as it was then */
	bool seen;              /* the ledger has a row */
	bool parking;           /* the copy is to go to the parked queue */
	byte result;            /* the mail's state in the end */

end_idle:
idle:	if
	TAKE(0, 0) TAKE(0, 1) TAKE(0, 2) TAKE(1, 0) TAKE(1, 1) TAKE(1, 2)
	TAKE_LATER(0) TAKE_LATER(1)
	fi;

again:	/* The lease, and in the same round trip the ledger. */
	if
	:: atomic { lease != 0 ->
		printf("worker %d    finds the lease held by worker %d\n", me, lease);
		goto set_aside }
	:: atomic { lease == 0 ->
		if
#ifdef REPLAY_IS_ECHO   /* what is parked and comes again was not replayed */
		:: row && times[me] > 0 && ledger == PARKED && age[me] <= 1 ->
			MUST(age[me] > 0 || !permit, "BROKEN nothing stuck: a person's replay is parked again unread\n");
#else
		:: row && age[me] == 1 && times[me] > 0 && ledger == PARKED ->
#endif
			printf("worker %d    finds it parked, by a delivery that was not acked\n", me);
			lease = me; told[me] = version; telling[me] = ledger; parking = true;
			goto publish
		:: row && age[me] >= 1 && !(age[me] == 1 && times[me] > 0 && ledger == PARKED) ->
			ACK("worker %d    acks: superseded\n"); forget(); goto idle
		:: row && age[me] == 0 && FINISHED(ledger) ->
			told[me] = version; telling[me] = ledger; report(told[me], telling[me], true);
			ACK("worker %d    acks: was finished before\n"); forget(); goto idle
		:: else -> lease = me; seen = row
		fi;
		if
#ifndef NO_DELIVERIES
		:: times[me] >= DELIVERED ->
			MUST(!requeued, "BROKEN nobody in anybody's way: parked for a server's fault\n");
			printf("worker %d    finds it delivered too often\n", me); goto park
#endif
		:: else
		fi }
	DIES("worker %d    dies before the lease\n")
	fi;

	/* The guard; what it commits and what it reads is one step under the row's lock. */
	if
	:: atomic { !asked ->
		if
#ifdef GUARD_ABORTS_SEEN
		:: !vanished || seen ->
#else
#ifdef NO_LINEAGE
		:: !seen ->
#else
		:: !seen && !vanished ->
#endif
#endif
			MUST(!committed, "BROKEN no lost deletion: a request that was committed is aborted\n");
			ACK("worker %d    guard: no such request; acks: aborted\n"); forget(); goto idle
		:: else -> said = true;
			printf("worker %d    guard: the request is gone, though it was seen or made in another database\n", me);
			goto park
		fi }
	:: atomic { asked && FINISHED(request) ->
		ACK("worker %d    guard: the request is finished; acks\n"); forget(); goto idle }
	:: atomic { asked && !FINISHED(request) && users == ACTIVE ->
		printf("worker %d    guard: the user is active\n", me); goto cancel }
	:: atomic { asked && !FINISHED(request) && users == TOUCHED ->
		printf("worker %d    guard: the mark was touched\n", me);
#ifdef TOUCHED_CANCELS
		goto cancel }
#else
		goto park }
#endif
	:: atomic { asked && !FINISHED(request) && users == ABSENT && !absent_user ->
		printf("worker %d    guard: there is no users row\n", me);
#ifdef ABSENT_CANCELS
		goto cancel }
#else
		goto park }
#endif
	:: atomic { asked && !FINISHED(request) && (users == MARKED || (users == ABSENT && absent_user)) ->
		started = true;
		printf("worker %d    guard: go, stamps started_at\n", me) }
	:: atomic { FAULT -> faults--;
		printf("worker %d    guard: refused, and again on a new session\n", me);
		if
		:: goto fail
		:: goto park
		fi }
#ifdef SERVERS_AWAY
	:: atomic { FAULT -> faults--; if :: SESSION -> lease = 0 :: else fi;
		GIVES_UP("worker %d    guard: the user database is away\n") }
#endif
	DIES("worker %d    dies before the guard\n")
	fi;

	/* Count the start. */
	if
	:: atomic { SESSION && FENCE ->
		unpark();
		starts++; counted = true; mine = starts; found = mail; begun = mails;
		young = smtp[OTHER];
		if :: row :: else -> row = true fi;
		change(OPEN);
		printf("worker %d    ledger: start %d\n", me, starts);
		MUST(starts > deaths, "BROKEN nothing stuck: a start is taken back that was another's: a job that kills goes on for ever\n");
		if
#ifndef NO_STARTS
		:: starts > MAX_STARTS -> goto park
#endif
		:: else
		fi;
		MUST(deaths <= MAX_STARTS, "BROKEN nothing stuck: a job that kills whoever does it goes on for ever\n") }
	:: atomic { SESSION && !FENCE -> goto superseded }
	:: atomic { !SESSION -> counted = true; GIVES_UP("worker %d    ledger: the session is gone\n") }
	:: atomic { SESSION && FENCE && FAULT -> faults--; lease = 0; counted = true;
		GIVES_UP("worker %d    ledger: loses the session, no start is counted\n") }
	DIES("worker %d    dies before the start\n")
	fi;

	/* The files, page by page, until a page is empty. */
	do
	:: atomic { page == 0 && SESSION && files != 0 ->
#ifdef LOOKS_FIRST
		page = 8;
#else
		page = files;
#endif
		printf("worker %d    reads a page of files\n", me) }
	:: atomic { page == 0 && SESSION && files == 0 -> break }
	:: atomic { page != 0 && SESSION ->
		if
		:: !asked || FINISHED(request) || !(users == MARKED || (users == ABSENT && absent_user)) ->
			printf("worker %d    looks again: not as it was\n", me);
			uncount(); lease = 0; page = 0; seen = false; goto again
		:: else
		fi;
#ifdef LOOKS_FIRST
		printf("worker %d    looks again, then reads the page\n", me) }
		atomic { true -> page = files;
#endif
		MUST(committed, "BROKEN no false deletion: objects deleted without a committed request\n");
		MUST((page & 4) == 0, "BROKEN no false deletion: a file that was recorded after a restore is deleted\n");
		objects = objects & (7 - page);
		printf("worker %d    looks again; S3: the page's objects are gone\n", me) };
		if
		:: atomic { SESSION && FENCE -> files = files & (7 - page); page = 0; change(OPEN);
			printf("worker %d    commits progress\n", me) }
		:: atomic { SESSION && !FENCE -> goto superseded }
		:: atomic { !SESSION -> counted = false; mine = 0;
			GIVES_UP("worker %d    commits no progress: the session is gone\n") }
		DIES("worker %d    dies before the progress commit\n")
		fi
	:: atomic { page != 0 && SESSION && FAULT -> faults--; page = 0;
		printf("worker %d    S3 fails\n", me);
		if
		:: goto fail
		:: goto park
		fi }
	:: atomic { !SESSION -> counted = false; mine = 0;
		GIVES_UP("worker %d    files: the session is gone\n") }
	od;

	/* The mail. */
	if
#ifdef NONE_IS_PENDING
	:: atomic { found == NONE && address -> true }
	:: atomic { found == SENT || found == REFUSED || found == UNKNOWN || (found == NONE && !address) ->
#else
	:: atomic { found == SENT || found == REFUSED || found == UNKNOWN || found == NONE ->
#endif
		result = found; goto complete }
#ifdef NO_BOUND
	:: atomic { found == SENDING ->
#else
	:: atomic { found == SENDING && young ->
		printf("worker %d    finds a mail that may be under way\n", me);
		if :: SESSION -> uncount(); lease = 0 :: else fi;
		goto set_aside }
	:: atomic { found == SENDING && !young ->
#endif
		if
		:: MAY_RESEND ->
			if
			:: doubt || cut_off -> excused = true
			:: else
			fi;
			printf("worker %d    finds a mail of unknown fate: sends it again\n", me)
		:: else -> result = UNKNOWN;
			printf("worker %d    finds a mail of unknown fate\n", me); goto complete
		fi }
	:: atomic { found == PENDING && !address -> result = NONE; goto complete }
	:: atomic { found == PENDING && address -> true }
	DIES("worker %d    dies before the mail\n")
	fi;
	if
#ifdef MARKS_OVER_SENT
	:: atomic { SESSION && FENCE -> mail = SENDING;
#else
	:: atomic { SESSION && FENCE && mail != found ->
		printf("worker %d    ledger: the mail is not as it was\n", me);
		uncount(); lease = 0; seen = false; goto again }
	:: atomic { SESSION && FENCE && mail == found -> mail = SENDING;
#endif
#ifndef COUNTED_AFTER
		mails++; begun++;
#endif
		smtp[me] = true;
		printf("worker %d    ledger: sending, mail %d\n", me, mails) }
	:: atomic { SESSION && !FENCE -> goto superseded }
	:: atomic { !SESSION -> GIVES_UP("worker %d    ledger: the session is gone\n") }
	DIES("worker %d    dies before it marks the mail\n")
	fi;
	if
	:: atomic { true -> go_out(); fact[me] = SENT; result = SENT; CONVERSATION_ENDS;
#ifdef COUNTED_AFTER
		mails++; begun++;
#endif
		printf("worker %d    sends the mail\n", me) }
#ifndef NO_MAIL_FAULTS
	:: atomic { FAULT -> faults--; go_out(); smtp[me] = false; doubt = true; found = SENDING;
		printf("worker %d    sends the mail, the answer is lost\n", me);
#ifdef SILENCE_IS_NO
		excused = true; fact[me] = NOT_SENT }
#else
		if
		:: SESSION && MAY_RESEND -> goto fail
		:: SESSION && !MAY_RESEND -> result = UNKNOWN; goto complete
		:: else -> goto away
		fi }
#endif
	:: atomic { FAULT -> faults--; fact[me] = NOT_SENT; CONVERSATION_ENDS;
		printf("worker %d    SMTP: not now\n", me) }
	:: atomic { FAULT -> faults--; smtp[me] = false; result = REFUSED;
		printf("worker %d    SMTP: no such mailbox\n", me) }
#endif
	DIES("worker %d    dies while it sends\n")
	fi;
	if
	:: atomic { fact[me] != NOT_SENT }
	:: atomic { fact[me] == NOT_SENT && SESSION -> write_fact();
		printf("worker %d    ledger: takes the mark back\n", me); goto fail }
	:: atomic { fact[me] == NOT_SENT && !SESSION -> GIVES_UP("worker %d    can't take the mark back\n") }
	DIES("worker %d    dies after the mail\n")
	fi;

complete:
	if
	:: atomic { SESSION && FENCE ->
		mail = result; starts = 0; deaths = 0; counted = false; mine = 0;
		fact[me] = 0; smtp[me] = false; final = true;
#ifdef NO_SWEEP
		sweep_due = false;
#else
		sweep_due = (SWEEPS > 0);
#endif
		change(COMPLETED); told[me] = version; telling[me] = COMPLETED; lease = 0;
		printf("worker %d    ledger: completed\n", me); goto tell }
	:: atomic { SESSION && !FENCE -> goto superseded }
	:: atomic { !SESSION -> GIVES_UP("worker %d    ledger: the session is gone\n") }
	:: atomic { SESSION && FAULT -> faults--;
		printf("worker %d    ledger: refuses to complete\n", me); goto fail }
	DIES("worker %d    dies before completed\n")
	fi;

superseded:     /* a later turn, or a person, has finished it */
	atomic { printf("worker %d    ledger: superseded\n", me);
		if :: SESSION -> lease = 0 :: else fi; goto settle };

cancel:
	atomic {
		MUST(!owed, "BROKEN no lost deletion: cancelled, and nobody has restored the user\n");
		if
		:: !FINISHED(ledger) -> change(CANCELLED); row = true;
			told[me] = version; telling[me] = CANCELLED;
			printf("worker %d    ledger: cancelled\n", me)
		:: else
		fi;
		if :: SESSION -> lease = 0 :: else fi;
		goto tell
	};

fail:   /* the next turn to the ledger, publish, report, ack */
	if
	:: atomic { SESSION && FENCE -> unpark();
		starts = 0; deaths = 0; counted = false; mine = 0;
		next_turn(); change(OPEN); told[me] = version; telling[me] = OPEN; lease = 0;
		printf("worker %d    ledger: retrying, the next turn\n", me); goto publish }
	:: atomic { SESSION && !FENCE -> goto superseded }
	:: atomic { !SESSION -> GIVES_UP("worker %d    ledger: the session is gone\n") }
	DIES("worker %d    dies before the next turn\n")
	fi;

park:
	if
	:: atomic { SESSION && FENCE -> unpark();
		starts = 0; deaths = 0; counted = false; mine = 0;
#ifndef PARKED_IN_TURN
		next_turn();
#endif
		row = true;
		change(PARKED); told[me] = version; telling[me] = PARKED; lease = 0; parking = true;
		printf("worker %d    ledger: parked, the next turn\n", me) }
	:: atomic { SESSION && !FENCE -> goto superseded }
	:: atomic { !SESSION -> GIVES_UP("worker %d    ledger: the session is gone\n") }
	DIES("worker %d    dies before parked\n")
	fi;

publish:
	if
	:: atomic { parking ->
#ifdef PARKED_IN_TURN
		if :: age[me] < 2 -> parked_queue[age[me]]++ :: else fi;
#else
		if :: age[me] - 1 < 2 -> parked_queue[age[me] - 1]++ :: else fi;
#endif
		if :: SESSION -> lease = 0 :: else fi;
		parking = false;
		printf("worker %d    publishes the parked copy\n", me) }
	:: atomic { !parking -> put(age[me] - 1, 0);
		printf("worker %d    publishes the next turn\n", me) }
	:: atomic { FAULT -> faults--; if :: SESSION -> lease = 0 :: else fi; parking = false;
		printf("worker %d    publishes, and it is lost\n", me) }
	DIES("worker %d    dies before it publishes\n")
	fi;

tell:   /* the request */
	if
	:: atomic { true -> report(told[me], telling[me], true); printf("worker %d    reports\n", me) }
#ifdef NOTED_FIRST
	:: atomic { told[me] > 0 && FAULT -> faults--; reported = told[me]; told[me] = 0; telling[me] = 0;
		printf("worker %d    notes in the ledger that it reported, and can't report\n", me) }
#endif
	:: atomic { told[me] > 0 && FAULT -> faults--; told[me] = 0; telling[me] = 0;
		printf("worker %d    reports, and it is lost\n", me) }
	:: atomic { told[me] > 0 && FAULT -> faults--;
		printf("worker %d    reports later, the user database is away\n", me) }
	DIES("worker %d    dies before it reports\n")
	fi;

settle: /* until a fact is written the job has not ended */
	if
	:: atomic { fact[me] != 0 -> write_fact(); printf("worker %d    ledger: what became of the mail\n", me) }
	:: atomic { fact[me] == 0 }
	DIES("worker %d    dies before it writes what became of the mail\n")
	fi;
	if
	:: atomic { told[me] == 0 -> ACK("worker %d    acks\n"); forget(); goto idle }
	:: atomic { told[me] > 0 -> ACK("worker %d    acks\n") }
	DIES("worker %d    dies before the ack\n")
	fi;
	if
	:: atomic { true -> report(told[me], telling[me], true);
		printf("worker %d    reports after all\n", me); forget(); goto idle }
	DIES("worker %d    dies before it reports after all\n")
	fi;

away:   /* A server is away: the message goes back, the same and of the same turn.  But who knows a
	 * fact keeps it until that is written. */
	if
	:: atomic { fact[me] != 0 -> write_fact();
		printf("worker %d    is back, and writes what became of the mail\n", me) }
	:: atomic { fact[me] == 0 }
	DIES("worker %d    dies before the database is back\n")
	fi;
	if
	:: atomic { !linked[me] }
#ifdef REQUEUES
	:: atomic { linked[me] -> put(age[me], times[me] + 1); linked[me] = false; requeued = true;
		printf("worker %d    requeues the message\n", me) }
#else
	:: atomic { linked[me] -> put(age[me], 0);
		printf("worker %d    hands the message back to retry.10s\n", me) }
#endif
	:: atomic { linked[me] && FAULT -> faults--; put(age[me], times[me] + 1); linked[me] = false;
		printf("worker %d    can't hand it back, and requeues it\n", me) }
	DIES("worker %d    dies before it hands back\n")
	fi;
	if
	:: atomic { linked[me] -> ACK("worker %d    acks: handed back\n") }
	:: atomic { !linked[me] }
	DIES("worker %d    dies before it acks what it handed back\n")
	fi;
	if
	:: atomic { counted -> uncount(); printf("worker %d    is back, takes its start back\n", me);
		forget(); goto idle }
	:: atomic { !counted -> forget(); goto idle }
	DIES("worker %d    dies before it takes its start back\n")
	fi;

set_aside:      /* the same turn again, when the lease is free */
	if
	:: atomic { age[me] < 2 -> later[age[me]]++; messages++;
		printf("worker %d    sets the message aside\n", me) }
	:: atomic { age[me] >= 2 }
	:: atomic { linked[me] && FAULT -> faults--; put(age[me], times[me] + 1); linked[me] = false;
		printf("worker %d    can't set it aside, and requeues it\n", me) }
	DIES("worker %d    dies before it sets the message aside\n")
	fi;
	if
	:: atomic { true -> ACK("worker %d    acks: set aside\n"); forget(); goto idle }
	DIES("worker %d    dies before it acks what it set aside\n")
	fi
}

#ifdef SWEPT_FIRST
#define CAN_REOPEN (users == MARKED && asked && request == COMPLETED)
#define SWEEPABLE  (ledger == COMPLETED && sweep_due && request == COMPLETED)
#else
#define SWEEPABLE  (ledger == COMPLETED && sweep_due)
#define CAN_REOPEN (users == MARKED && asked && (request == COMPLETED || !FINISHED(request)))
#endif

/* -- the reconciler ---------------------------------------------------------- */

inline claim()
{
	next_turn(); claimed = 0;
	if :: version == 0 -> change(OPEN) :: else fi;
	printf("reconciler  ledger: the next turn\n")
}

proctype Reconciler()
{
end_idle:
idle:	if
	/* What no request has heard of. */
#ifndef NO_REPORTS
	:: atomic { row && reported < version -> heard = version; hearing = ledger }
#endif
	/* An unfinished request: the ledger decides. */
	:: atomic { asked && !FINISHED(request) && request != PARKED && row && ledger != OPEN &&
		copied < version -> heard = version; hearing = ledger }
	:: atomic { asked && !FINISHED(request) && request != PARKED && lease == 0 && SILENT &&
		(!row || ledger == OPEN) -> claim(); goto publish }
	:: atomic { asked && !FINISHED(request) && request != PARKED && lease == 0 && !SILENT &&
		(!row || ledger == OPEN) && FAULT -> faults--; claim(); goto publish }
#ifdef CLAIM_BY_REQUEST
	:: atomic { asked && !FINISHED(request) && request != PARKED && lease == 0 && SILENT &&
		row && ledger == PARKED -> claim(); goto publish }
#endif
	/* Late files of a completed deletion. */
	:: atomic { SWEEPABLE ->
		if
		:: files == 0 -> swept++; sweep_due = (swept < SWEEPS);
			if :: asked && !FINISHED(request) -> change(COMPLETED) :: else fi;
			printf("reconciler  sweeps: no files\n"); goto idle
#ifdef SWEPT_FIRST      /* the sweep is noted before what it found is reopened */
		:: files != 0 -> swept++; sweep_due = (swept < SWEEPS);
#else
		:: files != 0 ->
#endif
			printf("reconciler  sweeps: there are files\n"); goto reopen
		fi }
	/* It compares the unfinished rows of the ledger with the requests, after a fail-over all. */
#ifndef NO_COMPARISON
	:: atomic { !asked && row && ((vanished && !said) || (ledger == OPEN && SILENT)) ->
		said = vanished;
		printf("reconciler  says that the ledger has a deletion which no request asks for\n");
		if
		:: ledger == OPEN && lease == 0 -> next_turn(); change(PARKED)
		:: else
		fi; goto idle }
#endif
	fi;
	if
	:: atomic { true -> report(heard, hearing, true); printf("reconciler  reports\n"); goto idle }
	:: atomic { FAULT -> faults--; heard = 0; hearing = 0; printf("reconciler  dies before it reports\n"); goto idle }
	:: atomic { FAULT -> faults--; report(heard, hearing, false);
		printf("reconciler  reports, and dies before it notes that\n"); goto idle }
	fi;

reopen: if
	:: atomic { CAN_REOPEN ->
		request = OPEN;
#ifdef REOPENED_AT_0
		copied = 0;
#else
		copied = version;
#endif
		printf("reconciler  request: reopened, the row has its mark\n") }
	:: atomic { !CAN_REOPEN ->
#ifndef SWEPT_FIRST
		swept++; sweep_due = (swept < SWEEPS);
		if :: asked && !FINISHED(request) -> change(COMPLETED) :: else fi;
#endif
		printf("reconciler  there are files, but the row has not its mark\n"); goto idle }
	:: atomic { FAULT -> faults--; printf("reconciler  dies before it reopens the request\n"); goto idle }
	fi;
	if
	:: atomic { ledger == COMPLETED -> starts = 0; sweep_due = false; deaths = 0;
		next_turn(); claimed = 0; change(OPEN);
		printf("reconciler  ledger: reopened, the next turn\n") }
	:: atomic { ledger != COMPLETED -> goto idle }
	:: atomic { FAULT -> faults--; printf("reconciler  dies before it reopens the ledger\n"); goto idle }
	fi;

publish:
	if
	:: atomic { true -> put(claimed, 0); claimed = 2; printf("reconciler  publishes\n"); goto idle }
	:: atomic { FAULT -> faults--; claimed = 2; printf("reconciler  dies before it publishes\n"); goto idle }
	fi
}

/* -- a person ---------------------------------------------------------------- */

#define CAN_GO (asked && (users == MARKED || users == ACTIVE || (users == ABSENT && absent_user)))

proctype Operator()
{
end_idle:
idle:	if
	:: atomic { parked_queue[0] > 0 && CAN_GO -> parked_queue[0]--; put(0, 0);
		if :: ledger == PARKED -> permit = true :: else fi;
		printf("operator    moves the parked message back\n"); goto idle }
	:: atomic { parked_queue[1] > 0 && ledger == PARKED -> parked_queue[1]--; put(1, 0);
		printf("operator    moves a parked message of an older turn back\n"); goto idle }
	/* Its message is lost: by SQL. */
	:: atomic { ledger == PARKED && CAN_GO && SILENT && parked_queue[0] == 0 ->
		next_turn(); change(OPEN); starts = 0; deaths = 0;
		printf("operator    replays by SQL: the ledger\n") }
	/* What can't go on is corrected or closed. */
	:: atomic { ledger == PARKED && SILENT && !CAN_GO && asked && users == TOUCHED ->
		users = MARKED; printf("operator    adopts the touched mark\n"); goto idle }
	:: atomic { ledger == PARKED && SILENT && !CAN_GO && asked && users == ABSENT ->
		absent_user = true; printf("operator    sets absent_user = continue\n"); goto idle }
	:: atomic { ledger == PARKED && SILENT && !CAN_GO && !asked ->
		owed = false; change(CANCELLED); printf("operator    closes it\n"); goto idle }
	fi;
	if
	:: atomic { true ->
		if
		:: asked && !FINISHED(request) -> request = OPEN; printf("operator    replays by SQL: the request\n")
		:: else
		fi; goto idle }
	:: atomic { FAULT -> faults--; printf("operator    forgets the request\n"); goto idle }
	fi
}

/* -- servers and networks, and the application ------------------------------- */

#define LOSES(w) \
	:: atomic { linked[w] && FAULT -> faults--; linked[w] = false; put(age[w], times[w] + 1); \
		printf("broker      loses the connection of worker %d, will redeliver\n", w) }

proctype Servers()
{
end_idle:
	do
	LOSES(1) LOSES(2)
	:: atomic { lease != 0 && FAULT -> faults--;
		printf("database    loses the session of worker %d, and its lease\n", lease);
		lease = 0 }
	:: atomic { (messages > 0 || linked[1] || linked[2]) && !vanished && FAULT -> faults--;
		for (k : 0 .. 2 * DELIVERED + 1) { queue[k] = 0 }
		k = 0; later[0] = 0; later[1] = 0; messages = 0; linked[1] = false; linked[2] = false;
		parked_queue[0] = 0; parked_queue[1] = 0;
		printf("broker      loses every message\n") }
	od
}

proctype Application()
{
	/* One of these, or nothing. */
end_idle:
	if
#ifdef RESTORES
	:: atomic { users == MARKED && !started -> users = ACTIVE; owed = false;
		printf("application restores the account\n") }
	:: atomic { users == MARKED && started -> users = ACTIVE; owed = false;
		files = files | 4; objects = objects | 4;
		printf("application restores the account, though its deletion has started; it records a new file\n") }
#endif
#ifdef ODD
	:: atomic { users == MARKED -> users = TOUCHED; printf("application writes deleted_at again\n") }
	:: atomic { users == MARKED -> users = ABSENT; printf("application removes the users row\n") }
	:: atomic { asked && (row || messages > 0 || linked[1] || linked[2]) ->
		asked = false; vanished = true; users = ACTIVE;
		printf("database    fails over and loses the request\n") }
#endif
#if SWEEPS > 0
	:: atomic { files = files | 2; objects = objects | 2;
#ifdef NO_ADDRESS
		address = true;
#endif
		if
		:: ledger != COMPLETED || sweep_due -> owed_files = owed_files | 2;
			printf("application records a file late\n")
		:: else -> printf("application records a file after the last sweep\n")
		fi }
#endif
	:: true
	fi
}

/* -- how every run must end --------------------------------------------------- */

proctype Finish()
{
end_wait:
	atomic { timeout ->
		MUST(messages == 0, "BROKEN nothing stuck: a message is left\n");
		MUST(!row || FINISHED(ledger), "BROKEN nothing stuck: the ledger is not finished\n");
		MUST(!asked || FINISHED(request), "BROKEN nothing stuck: the request is not finished\n");
		MUST(!asked || request == ledger, "BROKEN agreement: request and ledger end differently\n");
		MUST(!committed || !owed || vanished || (objects & owed_files) == 0, "BROKEN no lost deletion: promised, and objects are left\n");
		MUST(!vanished || said, "BROKEN no lost deletion: the request has vanished, and nobody says so\n");
		MUST(committed || objects == 1, "BROKEN no false deletion: objects of a ghost are gone\n") }
}

init
{
	atomic {
		if
		:: committed = true; asked = true
#ifdef GHOST
		:: owed = false; users = ACTIVE
#endif
		fi;
		put(0, 0);
		run Application(); run Worker(1);
#ifndef ONE_WORKER
		run Worker(2);
#endif
		run Reconciler(); run Operator(); run Servers(); run Finish()
	}
}
