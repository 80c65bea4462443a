/* Reading the XML of a store with expat, element by element.
 *
 * A document with a DOCTYPE is refused (so there are no entities to expand), and so is one that is
 * deeper than S3's are. */
#ifndef FAREWELL_S3_XML_H
#define FAREWELL_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

/* The longest text that is kept of one element: a key of 1024 bytes, each as %XX. */
#define S3_XML_TEXT 3072

struct s3_xml_element {
	const char *name; /* without its prefix: some stores write `ns:Key` */
	int depth;        /* 1: the document's own element */
	const char *text; /* at its end: the text since the last tag; NULL: it is longer than
	                     S3_XML_TEXT */
};

/* At an element's start and end. False ends the reading, which then counts as whole. */
typedef bool s3_xml_handler(void *arg, const struct s3_xml_element *);

/* False: empty, cut, malformed, refused; what was read of it must be forgotten. */
bool s3_xml_read(const char *body, size_t length, s3_xml_handler *start, s3_xml_handler *end,
                 void *arg);

/* Copies the text of the element NAME right below the element ROOT, which the document must be, to
 * VALUE: "" if there is none, or it is longer than SIZE takes. False: it is no such document. */
bool s3_xml_field(const char *body, size_t length, const char *root, const char *name, char *value,
                  size_t size);

#endif
