/* The S3 half of the sink: which objects and multipart uploads there are, and what each request is answered.
 *
 * Known: PutObject, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, HeadObject, GetObject with one
 * range, DeleteObject, DeleteObjects, `If-None-Match: *`, CRC checksums and user metadata echoed as sent. Every bucket exists and lists as
 * empty. Whose bucket it is can't be read. Left out on purpose: signatures, versions, copies, the list of parts in Complete (an upload is the sum of its parts).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sink.h"

#define PARTS_MAX 10001
#define TABLE 65536
#define INSTALLATION "/.strongroom/installation.json"
#define EMPTY_LIST "<Result><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></Result>"
#define VERSIONED "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"

/* ---- what is remembered ----------------------------------------------------------------------------------------- */

/* An object (name: "/bucket/key") or an open multipart upload (name: its id; target: the object it will become). */
typedef struct Entry {
    struct Entry *next;
    char *name, *target, *echo, checksum[96];
    long long size, *part_sizes;
    unsigned serial; /* makes the ETag */
} Entry;

typedef struct {
    Entry *chains[TABLE];
    long long count;
} Table;

static Table objects, uploads;
static unsigned serial;
static struct {
    long long puts, creates, parts, gets, heads, deletes, completes, aborts, bytes_in, bytes_out;
} stats;

static unsigned hash(const char *s) {
    unsigned h = 2166136261u; /* FNV-1a */
    while (*s) h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

/* Where the entry of this name is linked, or would be. */
static Entry **place(Table *table, const char *name) {
    Entry **p = &table->chains[hash(name) % TABLE];
    while (*p && strcmp((*p)->name, name)) p = &(*p)->next;
    return p;
}

static void forget(Table *table, const char *name) {
    Entry **p = place(table, name), *e = *p;
    if (!e) return;
    *p = e->next;
    table->count--;
    free(e->name), free(e->target), free(e->echo), free(e->part_sizes), free(e);
}

static Entry *remember(Table *table, const char *name, const char *echo, const char *checksum, long long size) {
    forget(table, name);
    Entry **p = place(table, name), *e = calloc(1, sizeof *e);
    e->name = strdup(name);
    e->echo = strdup(echo);
    e->size = size;
    e->serial = ++serial;
    strcpy(e->checksum, checksum);
    *p = e;
    table->count++;
    return e;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

/* `headers`: further header lines, each with its line end. */
static void answer_xml(Conn *c, const char *status, const char *headers, const char *xml) {
    answer(c, 0, "HTTP/1.1 %s\r\nServer: sink\r\nx-amz-request-id: sink\r\nContent-Type: application/xml\r\n%sContent-Length: %zu\r\n\r\n%s",
           status, headers, strlen(xml), strcmp(c->method, "HEAD") ? xml : "");
}

static void answer_error(Conn *c, const char *status, const char *code) {
    char xml[256];
    snprintf(xml, sizeof xml, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code);
    answer_xml(c, status, "", xml);
}

static void answer_stored(Conn *c, unsigned number) {
    char headers[256];
    snprintf(headers, sizeof headers, "ETag: \"%032x\"\r\n%s", number, c->checksum);
    answer_xml(c, "200 OK", headers, "");
}

/* The value of a query parameter, "" when it stands without one, or NULL. */
static const char *parameter(Conn *c, const char *name) {
    static char value[256];
    size_t n = strlen(name);
    for (char *p = c->query; p; p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL) {
        if (strncmp(p, name, n) || (p[n] && p[n] != '=' && p[n] != '&')) continue;
        snprintf(value, sizeof value, "%.*s", p[n] == '=' ? (int)strcspn(p + n + 1, "&") : 0, p + n + 1);
        return value;
    }
    return NULL;
}

/* ---- operations on objects --------------------------------------------------------------------------------------- */

static int exists_already(Conn *c) {
    if (!c->if_none_match || !*place(&objects, c->path)) return 0;
    answer_error(c, "412 Precondition Failed", "PreconditionFailed");
    return 1;
}

static void put_object(Conn *c) {
    if (exists_already(c)) return;
    stats.puts++;
    stats.bytes_in += c->payload;
    answer_stored(c, remember(&objects, c->path, c->echo, c->checksum, c->payload)->serial);
}

static void delete_object(const char *name) {
    forget(&objects, name);
    stats.deletes++;
}

static void delete_objects(Conn *c) { /* the body is a list of <Key>…</Key> */
    char name[4096], *p = c->head;
    c->head[c->kept] = 0;
    while ((p = strstr(p, "<Key>"))) {
        p += 5;
        snprintf(name, sizeof name, "%.*s/%.*s", (int)(1 + strcspn(c->path + 1, "/")), c->path, (int)strcspn(p, "<"), p);
        delete_object(name);
    }
    answer_xml(c, "200 OK", "", "<DeleteResult/>");
}

/* Reads "bytes=a-b", "bytes=a-" or "bytes=-n". 1: a range, 0: none, -1: it can't be satisfied. */
static int parse_range(const char *text, long long size, long long *from, long long *length) {
    long long first = 0, last = size - 1;
    *from = 0;
    *length = size;
    if (strncmp(text, "bytes=", 6)) return 0;
    const char *dash = strchr(text, '-');
    if (!dash) return 0;
    if (dash == text + 6) first = size - atoll(dash + 1);
    else first = atoll(text + 6);
    if (dash != text + 6 && dash[1]) last = atoll(dash + 1);
    if (first < 0) first = 0;
    if (last >= size) last = size - 1;
    if (first > last) return -1;
    *from = first;
    *length = last - first + 1;
    return 1;
}

static void get_object(Conn *c, Entry *e) {
    char content_range[128] = "";
    long long from, length;
    int body = !strcmp(c->method, "GET"), ranged = parse_range(c->range, e->size, &from, &length);
    if (ranged < 0) return answer_error(c, "416 Requested Range Not Satisfiable", "InvalidRange");
    if (ranged) snprintf(content_range, sizeof content_range, "Content-Range: bytes %lld-%lld/%lld\r\n", from, from + length - 1, e->size);
    answer(c, body && length ? MSG_MORE : 0,
           "HTTP/1.1 %s\r\nServer: sink\r\nx-amz-request-id: sink\r\nAccept-Ranges: bytes\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
           "ETag: \"%032x\"\r\n%s%s%sContent-Length: %lld\r\n\r\n",
           ranged ? "206 Partial Content" : "200 OK", e->serial, content_range, e->echo, ranged ? "" : e->checksum, length);
    if (!body) {
        stats.heads++;
        return;
    }
    stats.gets++;
    stats.bytes_out += length;
    c->send_from = from;
    c->send_left = length;
}

/* ---- operations on multipart uploads ------------------------------------------------------------------------------ */

static void create_upload(Conn *c) {
    char id[32], xml[2600];
    char *key = strchr(c->path + 1, '/') + 1;
    snprintf(id, sizeof id, "upload-%u", serial + 1);
    Entry *upload = remember(&uploads, id, c->echo, "", 0);
    upload->target = strdup(c->path);
    upload->part_sizes = calloc(PARTS_MAX, sizeof(long long));
    stats.creates++;
    snprintf(xml, sizeof xml, "<InitiateMultipartUploadResult><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", key, id);
    answer_xml(c, "200 OK", "", xml);
}

static void upload_part(Conn *c, Entry *upload) {
    const char *given = parameter(c, "partNumber");
    int number = given ? atoi(given) : 0;
    if (number < 1 || number >= PARTS_MAX) return answer_error(c, "400 Bad Request", "InvalidArgument");
    upload->part_sizes[number] = c->payload;
    stats.parts++;
    stats.bytes_in += c->payload;
    answer_stored(c, number);
}

static void complete_upload(Conn *c, Entry *upload) {
    char xml[2600], crc32c[96] = "";
    long long size = 0;
    if (exists_already(c)) return;
    for (int i = 1; i < PARTS_MAX; i++) size += upload->part_sizes[i];
    Entry *e = remember(&objects, c->path, upload->echo, c->checksum, size);
    forget(&uploads, upload->name);
    stats.completes++;
    sscanf(c->checksum, "x-amz-checksum-crc32c: %90s", crc32c);
    snprintf(xml, sizeof xml,
             "<CompleteMultipartUploadResult><Key>%s</Key><ETag>\"%032x\"</ETag>%s%s%s</CompleteMultipartUploadResult>",
             strchr(c->path + 1, '/') + 1, e->serial, *crc32c ? "<ChecksumCRC32C>" : "", crc32c, *crc32c ? "</ChecksumCRC32C>" : "");
    answer_xml(c, "200 OK", "", xml);
}

static void answer_upload(Conn *c, const char *id) {
    Entry *upload = *place(&uploads, id);
    if (!upload || strcmp(upload->target, c->path)) {
        answer_error(c, "404 Not Found", "NoSuchUpload");
    } else if (!strcmp(c->method, "PUT")) {
        upload_part(c, upload);
    } else if (!strcmp(c->method, "POST")) {
        complete_upload(c, upload);
    } else if (!strcmp(c->method, "DELETE")) {
        forget(&uploads, id);
        stats.aborts++;
        answer_xml(c, "204 No Content", "", "");
    } else {
        answer_xml(c, "200 OK", "", EMPTY_LIST);
    }
}

/* ---- which is which ---------------------------------------------------------------------------------------------- */

/* Not S3, for the benchmarks: the block that objects consist of, and counters as JSON. */
static void answer_about_sink(Conn *c) {
    Entry block = {.name = "pattern", .echo = "", .size = BLOCK};
    char json[512];
    if (!strcmp(c->path, "/_sink/pattern")) return get_object(c, &block);
    snprintf(json, sizeof json,
             "{\"puts\": %lld, \"creates\": %lld, \"parts\": %lld, \"gets\": %lld, \"heads\": %lld, \"deletes\": %lld, \"completes\": %lld, \"aborts\": %lld, "
             "\"bytes_in\": %lld, \"bytes_out\": %lld, \"objects\": %lld, \"uploads\": %lld}",
             stats.puts, stats.creates, stats.parts, stats.gets, stats.heads, stats.deletes, stats.completes, stats.aborts,
             stats.bytes_in, stats.bytes_out, objects.count, uploads.count);
    answer_xml(c, "200 OK", "", json);
}

static void answer_object(Conn *c) {
    Entry *e = *place(&objects, c->path);
    if (!strcmp(c->method, "PUT")) {
        put_object(c);
    } else if (!strcmp(c->method, "POST") && parameter(c, "uploads")) {
        create_upload(c);
    } else if (!strcmp(c->method, "DELETE")) {
        delete_object(c->path);
        answer_xml(c, "204 No Content", "", "");
    } else if (strcmp(c->method, "GET") && strcmp(c->method, "HEAD")) {
        answer_error(c, "501 Not Implemented", "NotImplemented");
    } else if (strstr(c->path, INSTALLATION)) { /* the pattern would name another one, whose bucket takes no uploads */
        answer_error(c, "403 Forbidden", "AccessDenied");
    } else if (e) {
        get_object(c, e);
    } else {
        answer_error(c, "404 Not Found", "NoSuchKey");
    }
}

void answer_request(Conn *c) {
    const char *id = parameter(c, "uploadId");
    char *slash = *c->path ? strchr(c->path + 1, '/') : NULL;
    if (!strncmp(c->path, "/_sink/", 7)) answer_about_sink(c);
    else if (slash && slash[1]) id ? answer_upload(c, id) : answer_object(c);
    else if (!strcmp(c->method, "POST") && parameter(c, "delete")) delete_objects(c);
    else if (parameter(c, "versioning")) answer_xml(c, "200 OK", "", VERSIONED); /* or the stack is never ready */
    else answer_xml(c, "200 OK", "", EMPTY_LIST);
}
