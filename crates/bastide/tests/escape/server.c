/* A hostile server in C: one tool that runs the attempt of a number. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* CONSTANTS */

static char said[4096], tag[64];
static int victim, gateway;
static void say(const char *what) {
    size_t length = strlen(said);
    for (; *what && length < sizeof said - 2; what++) said[length++] = *what < 32 || *what == '"' || *what == '\\' || *what == 127 ? ' ' : *what;
    said[length] = 0;
}
static void done(int yes) { say(yes ? "DONE" : strerror(errno)); }
/* The kernel answered, whatever it said. */
static void reached(long result) { done(result >= 0 || errno != ENOSYS); }
static void tell(int fd) {
    char text[512];
    ssize_t length = read(fd, text, sizeof text - 1);
    if (length < 0) say(strerror(errno));
    else text[length] = 0, say(text);
    close(fd);
}
static void put(int fd) { if (write(fd, tag, strlen(tag)) < 0) say(strerror(errno)); close(fd); }
static int to(int family, int type, const char *at, int port) {
    int fd = socket(family, type, 0);
    struct sockaddr_in six_less = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET, at, &six_less.sin_addr), inet_pton(AF_INET6, at, &six.sin6_addr);
    int went = family == AF_INET ? connect(fd, (void *)&six_less, sizeof six_less) : connect(fd, (void *)&six, sizeof six);
    if (went < 0) say(strerror(errno));
    return fd;
}
/* A copy of a program in memory, with another name and another number than the file. */
static void from_memory(const char *path, char **words) {
    int two[2], file = open(path, O_RDONLY), copy = syscall(SYS_memfd_create, "own", 0);
    while (sendfile(copy, file, 0, 1 << 20) > 0) ;
    close(file), pipe(two);
    int pid = fork();
    if (!pid) {
        dup2(two[1], 1), dup2(two[1], 2);
        char *none[] = {0};
        syscall(SYS_execveat, copy, "", words, none, AT_EMPTY_PATH);
        dprintf(1, "%s", strerror(errno)), _exit(1);
    }
    close(two[1]), close(copy), waitpid(pid, 0, 0), tell(two[0]);
}
static void beat(void) {
    char at[128];
    int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD};
    for (int i = 0; i < 5; i++) signal(numbers[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    int heart = open(GIVEN "/heart", O_WRONLY);
    for (int fd = 0; fd < 256; fd++) if (fd != heart) close(fd);
    write(heart, "x", 1), snprintf(at, sizeof at, "/tmp/up-%s", tag), close(open(at, O_CREAT | O_WRONLY, 0600));
    /* Each beat is another process. */
    while (write(heart, "x", 1) == 1) { if (fork() > 0) _exit(0); usleep(5000); }
    _exit(0);
}
static void beats(void) {
    char at[128];
    snprintf(at, sizeof at, "/tmp/up-%s", tag);
    while (unlink(at)) usleep(5000);
}
static int is_channel(int fd) { int type = 0; socklen_t size = sizeof type; return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_SEQPACKET; }
static volatile int awake;
static void *sleeper(void *unused) { while (!awake) usleep(10000); return unused; }
static void asked(int family, int type, int protocol) { reached(socket(family, type, protocol)); }
/* ATTEMPTS */

static long number(const char *line, const char *key) {
    const char *at = strstr(line, key);
    return at ? strtol(at + strlen(key), 0, 10) : 0;
}
int main(void) {
    static char line[1 << 16];
    signal(SIGPIPE, SIG_IGN);
    while (fgets(line, sizeof line, stdin)) {
        char *id = strstr(line, "\"id\":"), *version = strstr(line, "\"protocolVersion\":\"");
        if (!id) continue;
        id += 5;
        int length = strcspn(id, ",}");
        if (strstr(line, "\"initialize\"")) {
            version = version ? version + 19 : "2025-11-25\"";
            printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"protocolVersion\":\"%.*s\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"hostile\",\"version\":\"1\"}}}\n", length, id, (int)strcspn(version, "\""), version);
        } else if (strstr(line, "\"tools/list\"")) {
            printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"tools\":[{\"name\":\"run\",\"inputSchema\":{\"type\":\"object\"}}]}}\n", length, id);
        } else {
            long wanted = number(line, "\"attempt\":");
            victim = number(line, "\"victim\":");
            gateway = number(line, "\"gateway\":");
            said[0] = 0, errno = 0;
            snprintf(tag, sizeof tag, "t%ldx%s", wanted, MARK);
            char own[32];
            snprintf(own, sizeof own, "%.*s", length < 31 ? length : 31, id);
            attempt(wanted);
            printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}}\n", own, said);
        }
        fflush(stdout);
    }
    return 0;
}
