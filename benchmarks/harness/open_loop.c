/* The open loop's client. `open_loop.py` says what for, writes what this reads, and reads what it
 * writes.
 *
 *     open_loop ADDRESS PORT CONNECTIONS PATIENCE < in > out
 *
 * In, in this machine's own format: how many requests and how many moments (two uint64), of each
 * request its length (uint64) and its bytes, and of each moment its seconds since the beginning
 * (double), in order. The requests are sent at the moments, in order and over again. Out: when it
 * began (double, of the monotonic clock), how many answers there are, requests that were sent, and
 * of these such as found a connection free when they were due (three uint64); then the answers,
 * when each request was sent (doubles, seconds), and how late those were (doubles, seconds). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TICK = 250 * 1000 /* nanoseconds */, ROOM = 64 * 1024, EVENTS = 1024 };

struct request {
    char *bytes;
    uint64_t length;
};

/* What is told of an answer: `due` in seconds since the beginning, and how many it `took` from
 * then. */
struct answer {
    double due, took;
    int32_t status, retry_after;
};

/* One request at a time, which was due at `due`. Of its answer `length` bytes have come, `head` is
 * the length of its head, 0 until all of that has come, and `whole` the length of all; it is 0
 * where the last chunk tells. */
struct connection {
    int socket, is_asked, closes;
    double due;
    char *arrived;
    size_t room, length, head, whole;
    struct answer answer;
};

static struct sockaddr_in server;
static int sockets; /* epoll's */
static struct connection *connections;
static struct connection **free_ones; /* the one that has been so for the longest time is first */
static size_t free_count;

static struct request *requests;
static double *moments, *sent, *late;
static struct answer *answers;
static uint64_t request_count, moment_count, next, sent_count, late_count, answer_count;
static uint64_t come; /* moments that have come; from `next` on, those wait for a connection */
static double started;

static void fail(const char *what)
{
    fprintf(stderr, errno ? "%s: %s\n" : "%s\n", what, strerror(errno));
    exit(1);
}

static void *reserved(void *old, size_t count, size_t size)
{
    void *found = reallocarray(old, count ? count : 1, size);
    if (!found)
        fail("no memory");
    return found;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void connect_anew(struct connection *one)
{
    const int yes = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    one->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one->socket < 0 || connect(one->socket, (struct sockaddr *)&server, sizeof server))
        fail("no connection");
    setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(sockets, EPOLL_CTL_ADD, one->socket, &event))
        fail("epoll");
    one->is_asked = 0;
    one->length = one->head = 0;
    free_ones[free_count++] = one;
}

static struct connection *take_free(size_t place)
{
    struct connection *one = free_ones[place];
    free_count--;
    memmove(free_ones + place, free_ones + place + 1, (free_count - place) * sizeof *free_ones);
    return one;
}

/* The server has ended it, or is to: what it was asked for is not answered any more. */
static void replace(struct connection *one)
{
    for (size_t i = 0; i < free_count; i++)
        if (free_ones[i] == one) {
            take_free(i);
            break;
        }
    close(one->socket);
    connect_anew(one);
}

/* By each connection in its turn, as devices ask, each of which has one of its own. */
static void send_next(void)
{
    struct connection *one = take_free(0);
    const struct request *request = &requests[next % request_count];
    one->due = moments[next++];
    one->is_asked = 1;
    ssize_t count =
        send(one->socket, request->bytes, request->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count == (ssize_t)request->length)
        sent[sent_count++] = now() - started;
    else if (count >= 0 || errno == EAGAIN)
        fail("a request is longer than what a socket takes at once");
    else
        replace(one);
}

static void send_waiting(void)
{
    while (free_count && next < come)
        send_next();
}

/* The value of a header, in a head that ends with a zero. */
static const char *header(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

static void read_head(struct connection *one)
{
    const char *end = memmem(one->arrived, one->length, "\r\n\r\n", 4);
    if (!end)
        return;
    one->head = (size_t)(end - one->arrived) + 4;
    one->arrived[one->head - 1] = 0;
    const char *length = header(one->arrived, "\r\ncontent-length:");
    one->whole = one->head + (length ? strtoul(length, NULL, 10) : 0);
    if (!length && header(one->arrived, "\r\ntransfer-encoding:"))
        one->whole = 0;
    one->closes = header(one->arrived, "\r\nconnection: close") != NULL;
    one->answer.status = one->head > 12 ? atoi(one->arrived + 9) : 0;
    one->answer.retry_after = header(one->arrived, "\r\nretry-after:") != NULL;
}

static int is_whole(const struct connection *one)
{
    static const char last[] = "\r\n0\r\n\r\n";
    const size_t size = sizeof last - 1, body = one->length - one->head;
    const char *end = one->arrived + one->length;
    if (one->whole)
        return one->length >= one->whole;
    /* Where it is the only one, the line before is the head's. */
    return (body >= size && !memcmp(end - size, last, size)) ||
           (body == size - 2 && !memcmp(end - body, last + 2, body));
}

static void receive(struct connection *one)
{
    if (one->room - one->length < ROOM)
        one->arrived = reserved(one->arrived, one->room = 2 * one->room + ROOM, 1);
    ssize_t count =
        recv(one->socket, one->arrived + one->length, one->room - one->length, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0 || !one->is_asked) { /* it has ended, or says what nobody asked for */
        replace(one);
        send_waiting();
        return;
    }
    one->length += (size_t)count;
    if (!one->head)
        read_head(one);
    if (!one->head || !is_whole(one))
        return;
    one->answer.due = one->due;
    one->answer.took = now() - started - one->due;
    answers[answer_count++] = one->answer;
    one->is_asked = 0;
    one->length = one->head = 0;
    if (one->closes)
        replace(one);
    else
        free_ones[free_count++] = one;
    send_waiting();
}

/* Not woken by each answer: that takes a processor from the server as often. */
static void run(double patience)
{
    static struct epoll_event events[EVENTS];
    const struct timespec tick = {.tv_nsec = TICK};
    double time, end = (moment_count ? moments[moment_count - 1] : 0) + patience;
    started = now();
    while (answer_count < moment_count && (time = now() - started) < end) {
        /* Answers first: who is late with a request is so whatever else has come meanwhile. */
        int count = epoll_wait(sockets, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
            receive(events[i].data.ptr);
        while (come < moment_count && moments[come] <= time) {
            if (next == come++ && free_count) {
                late[late_count++] = now() - started - moments[next];
                send_next();
            }
        }
        send_waiting();
        nanosleep(&tick, NULL);
    }
}

static void take(void *into, size_t size, size_t count)
{
    if (fread(into, size, count, stdin) != count)
        fail("too little came in");
}

static void give(const void *from, size_t size, size_t count)
{
    if (fwrite(from, size, count, stdout) != count)
        fail("nobody takes the results");
}

static void read_requests(void)
{
    take(&request_count, sizeof request_count, 1);
    take(&moment_count, sizeof moment_count, 1);
    requests = reserved(NULL, request_count, sizeof *requests);
    for (uint64_t i = 0; i < request_count; i++) {
        take(&requests[i].length, sizeof requests[i].length, 1);
        requests[i].bytes = reserved(NULL, requests[i].length, 1);
        take(requests[i].bytes, 1, requests[i].length);
    }
    moments = reserved(NULL, moment_count, sizeof *moments);
    take(moments, sizeof *moments, moment_count);
    sent = reserved(NULL, moment_count, sizeof *sent);
    late = reserved(NULL, moment_count, sizeof *late);
    answers = reserved(NULL, moment_count, sizeof *answers);
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fprintf(stderr, "open_loop ADDRESS PORT CONNECTIONS PATIENCE < in > out\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(arguments[2]));
    if (inet_pton(AF_INET, arguments[1], &server.sin_addr) != 1)
        fail("no IPv4 address");
    read_requests();
    sockets = epoll_create1(EPOLL_CLOEXEC);
    if (sockets < 0)
        fail("epoll");
    size_t many = strtoul(arguments[3], NULL, 10);
    connections = reserved(NULL, many, sizeof *connections);
    free_ones = reserved(NULL, many, sizeof *free_ones);
    memset(connections, 0, many * sizeof *connections);
    for (size_t i = 0; i < many; i++)
        connect_anew(&connections[i]);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    run(strtod(arguments[4], NULL));
    give(&started, sizeof started, 1);
    give(&answer_count, sizeof answer_count, 1);
    give(&sent_count, sizeof sent_count, 1);
    give(&late_count, sizeof late_count, 1);
    give(answers, sizeof *answers, answer_count);
    give(sent, sizeof *sent, sent_count);
    give(late, sizeof *late, late_count);
    if (fflush(stdout))
        fail("nobody takes the results");
    return 0;
}
