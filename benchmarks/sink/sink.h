/* What the two halves of the sink share: a connection with its parsed request, and the ways to answer. */
#ifndef SINK_H
#define SINK_H

#define BLOCK (1 << 20) /* period of the pattern that every object reads back as */
#define HEAD_MAX 32768  /* largest request head, and how much of a POST body is kept */

typedef struct {
    int fd, armed;               /* armed: the events epoll watches for */
    int close_after;             /* close once the answer is out */
    long long body_left;         /* request body still to come; -1 while the head is being read */
    long long payload;           /* size of the object or part in the body */
    long long send_from, send_left; /* the part of an object that still has to go out */
    int if_none_match, kept;     /* kept: bytes of a POST body, which stand at the start of head */
    char method[8], path[2048], query[1024], range[64];
    char checksum[96];           /* the x-amz-checksum-crc… line of the request, with its line end, or "" */
    char echo[4096];             /* header lines that HEAD and GET repeat */
    int filled;                  /* bytes in head */
    char head[HEAD_MAX + 1];
} Conn;

/* s3.c: answers the request in `c`, whose body has been read. */
void answer_request(Conn *c);

/* sink.c */
void answer(Conn *c, int flags, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
