/* The one vocabulary for the state of a deletion and of its mail: ledger, request, HTTP, metrics,
 * log. */
#ifndef FAREWELL_STATUS_H
#define FAREWELL_STATUS_H

#define STATUS_ACCEPTED "accepted"
#define STATUS_RUNNING "running"
#define STATUS_RETRYING "retrying"
#define STATUS_PARKED "parked"
#define STATUS_CANCELLED "cancelled"
#define STATUS_COMPLETED "completed"

#define MAIL_NONE "none"
#define MAIL_PENDING "pending"
#define MAIL_SENDING "sending"
#define MAIL_SENT "sent"
#define MAIL_REFUSED "refused"
#define MAIL_UNKNOWN "unknown"

#endif
