/* The name we greet a mail server with (RFC 5321, 4.1.1.1). */
#ifndef FAREWELL_SMTP_HELO_H
#define FAREWELL_SMTP_HELO_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

#define SMTP_HELO_SIZE 256

/* Whether NAME can be set as smtp_helo: a domain name, or an address literal (RFC 5321, 4.1.3). */
bool smtp_helo_is_valid(const char *name);

/* Whether NAME looks fully qualified: a domain name of two labels and more, which is no address.
 * The hexadecimal name of a container doesn't, and Postfix and Exim refuse it. */
bool smtp_helo_is_qualified(const char *name);

/* This host's name if it is fully qualified; else false. */
bool smtp_helo_of_host(char helo[SMTP_HELO_SIZE]);

/* The literal of the address from which this host reaches PEER, such as [192.0.2.7]; sends nothing.
 * False: PEER is neither IPv4 nor IPv6, or there is no way to it. */
bool smtp_helo_towards(const struct sockaddr *peer, socklen_t size, char helo[SMTP_HELO_SIZE]);

#endif
