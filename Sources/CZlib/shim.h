#pragma once
#include <zlib.h>

// `inflateInit2` is a macro, which Swift does not see. 47 takes gzip's and zlib's header alike.
static inline int ledger_inflate_begin(z_stream *stream) {
    return inflateInit2(stream, 47);
}
