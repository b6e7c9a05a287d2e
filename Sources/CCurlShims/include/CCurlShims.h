// Typed entry points to libcurl's variadic functions, which Swift cannot call: one function per
// type of argument, so that the compiler checks what the manual demands of each option.
#ifndef LEDGER_CURL_SHIMS_H
#define LEDGER_CURL_SHIMS_H

#include <curl/curl.h>

#pragma clang assume_nonnull begin

// The size and count are those of fread and fwrite; the answer is the number of bytes taken.
typedef size_t (*ledger_curl_data_callback)(
    char *bytes, size_t size, size_t count, void *_Nullable context);

typedef int (*ledger_curl_start_callback)(
    void *_Nullable context, char *_Nullable primary_ip, char *_Nullable local_ip,
    int primary_port, int local_port);

typedef int (*ledger_curl_resolve_callback)(
    void *_Nullable resolver_state, void *_Nullable reserved, void *_Nullable context);

typedef curl_socket_t (*ledger_curl_open_callback)(
    void *_Nullable context, curlsocktype purpose, struct curl_sockaddr *address);

typedef int (*ledger_curl_close_callback)(void *_Nullable context, curl_socket_t item);

// Options of a transfer. Strings are copied by libcurl; lists and contexts are not, and must
// outlive the handle or the next call for the same option.
CURLcode ledger_curl_set_long(CURL *handle, CURLoption option, long value);
CURLcode ledger_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value);
CURLcode ledger_curl_set_string(CURL *handle, CURLoption option, const char *_Nullable value);
CURLcode ledger_curl_set_pointer(CURL *handle, CURLoption option, void *_Nullable value);
CURLcode ledger_curl_set_headers(CURL *handle, struct curl_slist *_Nullable headers);
// The bytes are not copied either; none take back what was set before.
CURLcode ledger_curl_set_blob(
    CURL *handle, CURLoption option, const void *_Nullable bytes, size_t count);

// Callbacks, each with its context.
CURLcode ledger_curl_on_read(CURL *handle, ledger_curl_data_callback callback, void *context);
CURLcode ledger_curl_on_write(CURL *handle, ledger_curl_data_callback callback, void *context);
CURLcode ledger_curl_on_header(CURL *handle, ledger_curl_data_callback callback, void *context);
CURLcode ledger_curl_on_start(CURL *handle, ledger_curl_start_callback callback, void *context);
CURLcode ledger_curl_on_resolve(CURL *handle, ledger_curl_resolve_callback callback, void *context);
CURLcode ledger_curl_on_open(CURL *handle, ledger_curl_open_callback callback, void *context);
CURLcode ledger_curl_on_close(CURL *handle, ledger_curl_close_callback callback, void *context);

// What is known of a transfer.
CURLcode ledger_curl_get_long(CURL *handle, CURLINFO info, long *value);
CURLcode ledger_curl_get_offset(CURL *handle, CURLINFO info, curl_off_t *value);
CURLcode ledger_curl_get_pointer(CURL *handle, CURLINFO info, void *_Nullable *_Nonnull value);

// Options of the set of transfers.
CURLMcode ledger_curl_multi_set_long(CURLM *multi, CURLMoption option, long value);

// The library's own description, in the newest form that these headers know.
curl_version_info_data *_Nullable ledger_curl_version(void);

// Names the calling thread for debuggers; at most 15 characters.
void ledger_thread_set_name(const char *name);

#pragma clang assume_nonnull end

#endif
