/* A discarding S3 endpoint for benchmarks: it speaks enough S3 over HTTP/1.1 for an upload, a download and their clean-up, and costs
 * next to nothing, so that what is measured is the sender.
 *
 *   usage: sink [PORT]         (0, the default: any free port; the first line of stdout is the port)
 *
 * Bodies are dropped inside the kernel; only keys, sizes and headers are remembered (s3.c). Every object reads back as the same
 * 1 MiB block repeated (GET /_sink/pattern gives it), sent from memory. A client that uploads this very block over and
 * over reads back exactly what it wrote, checksums included. Signatures are not checked: never use it for anything but measuring.
 * One thread, one epoll loop; this file is the sockets and HTTP.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink.h"

#define PATTERN (4 * BLOCK)     /* how much of the pattern is laid out, so that one call sends much */
#define DISCARD_MAX (8 * BLOCK) /* at most so much of a body is dropped in one call */
#define STEPS_PER_TURN 64       /* then the other connections have their turn */

static int epoll_fd;
static char pattern[PATTERN];

/* Sends a formatted answer; one this small always fits the socket's buffer. */
void answer(Conn *c, int flags, const char *format, ...) {
    char out[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, sizeof out, format, args);
    va_end(args);
    if (n >= (int)sizeof out || send(c->fd, out, n, MSG_NOSIGNAL | flags) != n) c->close_after = 1;
}

/* ---- reading a request ------------------------------------------------------------------------------------------ */

/* Undoes percent-encoding in place: clients differ in what they encode. */
static void unquote(char *s) {
    char *out = s;
    for (; *s; s++) {
        unsigned byte;
        if (*s == '%' && sscanf(s + 1, "%2x", &byte) == 1) *out++ = (char)byte, s += 2;
        else *out++ = *s;
    }
    *out = 0;
}

static void read_header(Conn *c, const char *name, const char *value) {
    size_t used = strlen(c->echo);
    if (!strcasecmp(name, "content-length")) {
        c->body_left = atoll(value);
        if (!c->payload) c->payload = c->body_left;
    } else if (!strcasecmp(name, "x-amz-decoded-content-length")) {
        c->payload = atoll(value); /* an aws-chunked body is longer than what it carries */
    } else if (!strcasecmp(name, "range")) {
        snprintf(c->range, sizeof c->range, "%s", value);
    } else if (!strcasecmp(name, "if-none-match")) {
        c->if_none_match = 1;
    } else if (!strcasecmp(name, "connection")) {
        c->close_after = !strcasecmp(value, "close");
    } else if (!strcasecmp(name, "expect")) {
        answer(c, 0, "HTTP/1.1 100 Continue\r\n\r\n");
    } else if (!strncasecmp(name, "x-amz-checksum-crc", 18)) {
        snprintf(c->checksum, sizeof c->checksum, "%s: %s\r\n", name, value);
    } else if (!strncasecmp(name, "x-amz-meta-", 11) || !strcasecmp(name, "content-type")) {
        snprintf(c->echo + used, sizeof c->echo - used, "%s: %s\r\n", name, value);
    }
}

/* Splits the head (NUL-terminated) into the fields of `c`. */
static void read_head(Conn *c) {
    c->method[0] = c->path[0] = c->query[0] = c->range[0] = c->checksum[0] = c->echo[0] = 0;
    c->payload = c->body_left = 0;
    c->close_after = c->if_none_match = c->kept = 0;
    char *rest, *line = strtok_r(c->head, "\r\n", &rest);
    if (!line || sscanf(line, "%7s %2047s", c->method, c->path) != 2) c->close_after = 1;
    char *question = strchr(c->path, '?');
    if (question) {
        *question = 0;
        snprintf(c->query, sizeof c->query, "%s", question + 1);
    }
    unquote(c->path);
    while ((line = strtok_r(NULL, "\r\n", &rest))) {
        char *colon = strchr(line, ':');
        if (!colon) continue;
        *colon = 0;
        read_header(c, line, colon + 1 + strspn(colon + 1, " "));
    }
}

/* ---- one connection --------------------------------------------------------------------------------------------- */

enum { GO_ON, WAIT, GONE };

/* The outcome of a system call that moved `n` bytes. */
static int outcome(ssize_t n) {
    if (n > 0) return GO_ON;
    return n < 0 && errno == EAGAIN ? WAIT : GONE;
}

static int receive_head(Conn *c) {
    ssize_t n = recv(c->fd, c->head + c->filled, HEAD_MAX - c->filled, 0);
    if (n <= 0) return outcome(n);
    c->head[c->filled += n] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return c->filled == HEAD_MAX ? GONE : GO_ON;
    *end = 0;
    int surplus = c->filled - (int)(end + 4 - c->head); /* the first bytes of the body */
    c->filled = 0;
    read_head(c);
    if (!strcmp(c->method, "POST")) {
        memmove(c->head, end + 4, surplus);
        c->kept = surplus;
    }
    c->body_left -= surplus;
    return c->body_left < 0 ? GONE : GO_ON; /* nobody here sends a request before the last one is answered */
}

static int receive_body(Conn *c) {
    size_t want = c->body_left > DISCARD_MAX ? DISCARD_MAX : (size_t)c->body_left;
    size_t room = HEAD_MAX - c->kept;
    int keep = !strcmp(c->method, "POST") && room; /* a list of keys or parts; the rest of a body is of no interest */
    if (keep && want > room) want = room;
    /* tcp(7): MSG_TRUNC drops the bytes in the kernel instead of copying them out */
    ssize_t n = keep ? recv(c->fd, c->head + c->kept, want, 0) : recv(c->fd, NULL, want, MSG_TRUNC);
    if (n <= 0) return outcome(n);
    if (keep) c->kept += n;
    c->body_left -= n;
    return GO_ON;
}

static int send_body(Conn *c) {
    long long at = c->send_from % BLOCK; /* plain send() of MiBs was measured cheaper than sendfile, here and for the receiver */
    size_t want = c->send_left > PATTERN - at ? (size_t)(PATTERN - at) : (size_t)c->send_left;
    ssize_t n = send(c->fd, pattern + at, want, MSG_NOSIGNAL);
    if (n <= 0) return outcome(n);
    c->send_from += n;
    c->send_left -= n;
    return !c->send_left && c->close_after ? GONE : GO_ON;
}

/* Does what is possible now: sends, or receives and, when the request is complete, answers. */
static int step(Conn *c) {
    if (c->send_left) return send_body(c);
    int result = c->body_left < 0 ? receive_head(c) : receive_body(c);
    if (result != GO_ON || c->body_left != 0) return result;
    answer_request(c);
    c->body_left = -1;
    return c->close_after && !c->send_left ? GONE : GO_ON;
}

static void watch(Conn *c, int operation, int events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (c->armed != events) epoll_ctl(epoll_fd, operation, c->fd, &event);
    c->armed = events;
}

static void take_turn(Conn *c) {
    int result = GO_ON;
    for (int i = 0; i < STEPS_PER_TURN && result == GO_ON; i++) result = step(c);
    if (result == GONE) {
        close(c->fd);
        free(c);
        return;
    }
    watch(c, EPOLL_CTL_MOD, c->send_left ? EPOLLOUT : EPOLLIN);
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Conn *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->body_left = -1;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* xorshift64* from a fixed seed: looks random, the same in every run. */
static void make_pattern(void) {
    uint64_t x = 88172645463325252ull;
    for (size_t i = 0; i < BLOCK; i += sizeof x) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        uint64_t word = x * 2685821657736338717ull;
        memcpy(pattern + i, &word, sizeof word);
    }
    for (int i = 1; i < PATTERN / BLOCK; i++) memcpy(pattern + i * BLOCK, pattern, BLOCK);
}

static int listen_on(int port) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 512)) perror("sink: cannot listen"), exit(1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlives the benchmark */
    signal(SIGPIPE, SIG_IGN);
    make_pattern();
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
    epoll_fd = epoll_create1(0);
    struct epoll_event ready[64], event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll_fd, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr) take_turn(ready[i].data.ptr);
            else accept_all(listener);
        }
    }
}
