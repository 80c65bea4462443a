/* The mailer: puts a letter together from templates (RFC 5322, MIME) and has it sent. */
#include "lib/mail/mail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "lib/base/text.h"
#include "lib/mail/mail_address.h"
#include "lib/mail/mail_body.h"
#include "lib/mail/mail_header.h"
#include "lib/mail/mail_template.h"
#include "lib/mail/smtp.h"
#include "lib/mail/smtp_helo.h"

#define VALUE_SIZE 512
/* Of a deletion id, so that a boundary made of it has at most 70 characters (RFC 2046). */
#define ID_MAX 64

struct mailer {
	struct smtp_options smtp;
	const struct pump *pump;
	struct mail_address from;
	struct mail_templates *templates;
};

/* A letter's values, cleaned. */
struct values {
	char text[MAIL_VALUES][VALUE_SIZE];
	const char *list[MAIL_VALUES];
};

struct mailer *mailer_new(const struct mail_options *options, const struct pump *pump, char *why,
                          size_t why_size)
{
	struct mailer *mailer = calloc(1, sizeof(*mailer));
	char detail[384];

	if (mailer == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		snprintf(why, why_size, "mail: no memory");
		free(mailer);
		return NULL;
	}
	mailer->pump = pump;
	mailer->smtp = options->smtp;
	if (options->smtp.helo != NULL && options->smtp.helo[0] != '\0' &&
	    !smtp_helo_is_valid(options->smtp.helo)) {
		snprintf(why, why_size,
		         "smtp_helo: must be a host name, or an address in brackets as in [192.0.2.7]");
		goto bad;
	}
	if (!mail_mailbox_read(options->from, &mailer->from, detail, sizeof(detail))) {
		snprintf(why, why_size, "mail_from: %s", detail);
		goto bad;
	}
	if (mail_address_is_utf8(mailer->from.address)) {
		snprintf(why, why_size, "mail_from: must be ASCII before the @");
		goto bad;
	}
	mailer->templates =
		mail_templates_load(options->templates, options->locale, detail, sizeof(detail));
	if (mailer->templates == NULL) {
		snprintf(why, why_size, "mail_templates: %s", detail);
		goto bad;
	}
	return mailer;
bad:
	mailer_free(mailer);
	return NULL;
}

void mailer_free(struct mailer *mailer)
{
	if (mailer == NULL)
		return;
	mail_templates_free(mailer->templates);
	free(mailer);
	curl_global_cleanup();
}

/* Copies TEXT with blanks for control characters, cut at a character's end; what is not UTF-8 is
 * left out. */
static void value_clean(const char *text, char copy[VALUE_SIZE])
{
	size_t length = text != NULL ? text_utf8_fit(text, VALUE_SIZE - 1) : 0;

	if (length > 0 && !text_utf8_valid(text, length))
		length = 0;
	while (length > 0 && (unsigned char)text[length - 1] <= ' ')
		length--;
	for (size_t i = 0; i < length; i++)
		copy[i] = (char)(text_is_control(text[i]) ? ' ' : text[i]);
	copy[length] = '\0';
}

static void values_fill(struct values *values, const struct mail_letter *letter)
{
	/* cppcheck-suppress uninitvar ; it is filled here, what was in it is not read */
	value_clean(letter->name, values->text[MAIL_VALUE_NAME]);
	value_clean(letter->user_id, values->text[MAIL_VALUE_USER_ID]);
	value_clean(letter->deletion_id, values->text[MAIL_VALUE_DELETION_ID]);
	value_clean(letter->requested_at, values->text[MAIL_VALUE_REQUESTED_AT]);
	snprintf(values->text[MAIL_VALUE_FILES_DELETED], VALUE_SIZE, "%" PRId64, letter->files_deleted);
	if (letter->versions_left > 0)
		snprintf(values->text[MAIL_VALUE_VERSIONS_LEFT], VALUE_SIZE, "%" PRId64,
		         letter->versions_left);
	else
		values->text[MAIL_VALUE_VERSIONS_LEFT][0] = '\0';
	for (int i = 0; i < MAIL_VALUES; i++)
		values->list[i] = values->text[i];
}

/* A template with its values, for the caller to free; NULL without memory. */
static char *template_fill(const char *source, const struct values *values, bool as_html)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	mail_template_write(out, source, values->list, as_html);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool headers_write(FILE *out, const struct mailer *mailer, const char *to,
                          const char *subject, const struct values *values)
{
	char date[MAIL_DATE_SIZE];

	mail_header_date(time(NULL), date);
	fprintf(out, "Date: %s\r\n", date);
	if (!mail_header_mailbox(out, "From", mailer->from.name, mailer->from.address) ||
	    !mail_header_mailbox(out, "To", values->list[MAIL_VALUE_NAME], to) ||
	    !mail_header_text(out, "Subject", subject))
		return false;
	fprintf(out, "Message-ID: <%s@%s>\r\n", values->list[MAIL_VALUE_DELETION_ID],
	        mail_address_domain(mailer->from.address));
	fputs("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", out);
	return true;
}

/* Writes the texts: one part, or alternatives with the plain one first (RFC 2046, section 5.1.4).
 */
static void body_write(FILE *out, const char *text, const char *html, const char *deletion_id)
{
	if (html == NULL) {
		mail_body_write(out, "plain", text);
		return;
	}
	/* "=_" never occurs in quoted-printable (RFC 2045, section 6.7). */
	fprintf(out, "Content-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n--=_%s\r\n",
	        deletion_id, deletion_id);
	mail_body_write(out, "plain", text);
	fprintf(out, "\r\n--=_%s\r\n", deletion_id);
	mail_body_write(out, "html", html);
	fprintf(out, "\r\n--=_%s--\r\n", deletion_id);
}

static bool is_deletion_id(const char *id)
{
	size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");

	return length > 0 && length <= ID_MAX && id[length] == '\0';
}

/* The message to an address that was checked. */
static char *message_compose(const struct mailer *mailer, const struct mail_letter *letter,
                             const char *to, char *why, size_t why_size)
{
	const struct mail_texts *texts = mail_templates_find(mailer->templates, letter->locale);
	struct values values;
	char *message = NULL, *subject, *text, *html;
	size_t size;
	bool good = false;
	FILE *out;

	values_fill(&values, letter);
	if (letter->deletion_id == NULL || !is_deletion_id(letter->deletion_id)) {
		snprintf(why, why_size, "mail: the deletion id can't be part of a Message-ID");
		return NULL;
	}
	subject = template_fill(texts->subject, &values, false);
	text = template_fill(texts->text, &values, false);
	html = texts->html != NULL ? template_fill(texts->html, &values, true) : NULL;
	out = open_memstream(&message, &size);
	if (out != NULL) {
		good = subject != NULL && text != NULL && (html != NULL || texts->html == NULL) &&
		       headers_write(out, mailer, to, subject, &values);
		if (good)
			body_write(out, text, html, letter->deletion_id);
		good = fclose(out) == 0 && good;
	}
	if (!good) {
		snprintf(why, why_size, "mail: no memory for the message");
		free(message);
		message = NULL;
	}
	free(subject);
	free(text);
	free(html);
	return message;
}

enum mail_result mail_send(struct mailer *mailer, const struct mail_letter *letter, char *why,
                           size_t why_size)
{
	char to[MAIL_ADDRESS_SIZE], *message;
	enum mail_result result;

	if (!mail_address_read(letter->to != NULL ? letter->to : "", to, why, why_size))
		return MAIL_REJECTED;
	message = message_compose(mailer, letter, to, why, why_size);
	if (message == NULL)
		return MAIL_TEMPORARY;
	result = smtp_send(&mailer->smtp, mailer->pump, mailer->from.address, to, message,
	                   strlen(message), why, why_size);
	free(message);
	return result;
}

bool mail_check(struct mailer *mailer, char *why, size_t why_size)
{
	char postmaster[MAIL_ADDRESS_SIZE];
	const char *from = mailer->from.address;
	enum mail_result result = smtp_check(&mailer->smtp, mailer->pump, from, from, why, why_size);

	if (result != MAIL_REJECTED)
		return result == MAIL_ACCEPTED;
	/* Nobody reads a no-reply address, but each domain has this one (RFC 5321, 4.5.1). Where it too
	 * is refused as a mailbox, the server has nothing against us. */
	snprintf(postmaster, sizeof(postmaster), "postmaster@%s", mail_address_domain(from));
	result = smtp_check(&mailer->smtp, mailer->pump, from, postmaster, why, why_size);
	return result == MAIL_ACCEPTED || result == MAIL_REJECTED;
}
