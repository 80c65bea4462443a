/* What the fuzz targets share: libFuzzer's entry, and a check that ends the process with a
 * sentence.
 *
 * A target is one .c: it says what it is built from in a line of its own, `links: ...`, which
 * tests/fuzz/run reads. */
#ifndef FAREWELL_FUZZ_H
#define FAREWELL_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert() it is there whatever NDEBUG says. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                           \
		if (!(condition)) {                                                                        \
			fprintf(stderr, "%s:%d: this must hold: %s\n", __FILE__, __LINE__, #condition);        \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

#endif
