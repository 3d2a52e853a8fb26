// floor - the least that a kernel asks for one isolated process: what no runtime can beat.
//
//   floor [OPTION...] ROOT COMMAND [ARGUMENT...]
//
//   --level=a      pid, mount, uts and ipc namespaces, ROOT as the root, /proc, a hostname
//   --level=b      and a network namespace with its loopback up
//   --level=d      and 14 capabilities, no_new_privs (the default)
//   --filter=FILE  and a filter: compiled BPF as seccomp(2) takes it
//   --bridge=NAME  and on that bridge: a veth pair, an address and a route of each family
//   --fork         the child copies this process's memory, rather than share it until exec
//   --loops=N      N runs in one process; prints their median in microseconds
//
// Ends with the command's status, or 125.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char level = 'd';
static int copy_memory, loops, go[2];
static unsigned bridge;
static const char *root;
static char **command;
static struct sock_fprog filter;

static _Noreturn void fail(const char *what) {
    const char *parts[] = {"floor: ", what, ": ", strerror(errno), "\n"};
    for (size_t i = 0; i < 5; i++)
        if (write(2, parts[i], strlen(parts[i])) < 0) break;
    _exit(125);
}
static void must(long result, const char *what) {
    if (result < 0) fail(what);
}

#include "floor_net.h"

static void take_root(void) {
    must(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), "make mounts private");
    must(mount(root, root, NULL, MS_BIND, NULL), root);
    must(chdir(root), root);
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
    must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "umount the old root");
}

static void raise_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(handle, "socket");
    must(ioctl(handle, SIOCSIFFLAGS, &request), "loopback");
    close(handle);
}

#define CAP(name) (UINT64_C(1) << CAP_##name)
static void lower_rights(void) {
    const uint64_t kept = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(KILL) | CAP(SETGID) |
                          CAP(SETUID) | CAP(SETPCAP) | CAP(NET_BIND_SERVICE) | CAP(NET_RAW) | CAP(SYS_CHROOT) |
                          CAP(MKNOD) | CAP(AUDIT_WRITE) | CAP(SETFCAP);
    for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(kept & UINT64_C(1) << cap)) (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);  // older kernels lack the last
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
                                             {.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)}};
    must(syscall(SYS_capset, &header, sets), "capset");
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

static int contained(void *unused) {
    static char *const environment[] = {"PATH=/bin", NULL};
    (void)unused;
    take_root();
    must(sethostname("box", 3), "sethostname");
    if (bridge) {
        char byte;
        must(read(go[0], &byte, 1), "wait for the host");
        net_configure();
    } else if (level >= 'b') {
        raise_loopback();
    }
    if (level >= 'd') lower_rights();
    if (filter.len) must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), "filter");
    execve(command[0], command, environment);
    fail(command[0]);
}

static int run(void) {
    static char stack[32768] __attribute__((aligned(16)));
    int flags = SIGCHLD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, status;
    if (level >= 'b') flags |= CLONE_NEWNET;
    if (!copy_memory) flags |= bridge ? CLONE_VM : CLONE_VM | CLONE_VFORK;
    pid_t child = clone(contained, stack + sizeof stack, flags, NULL);
    must(child, "clone");
    if (bridge) {
        static unsigned number;
        static int handle = -1;
        if (handle < 0) handle = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        net_connect(handle, bridge, child, (unsigned)getpid() % 10000 * 100000 + ++number);
        must(write(go[1], "", 1), "tell the child");
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) fail("wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int smaller(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static int run_many(void) {
    double *took = calloc((size_t)loops, sizeof *took);
    if (!took) fail("memory");
    for (int i = -3; i < loops; i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        if (run() != 0) return 1;
        clock_gettime(CLOCK_MONOTONIC, &to);
        if (i >= 0) took[i] = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
    }
    qsort(took, (size_t)loops, sizeof *took, smaller);
    printf("%.0f\n", took[loops / 2]);
    return 0;
}

static void read_filter(const char *path) {
    static struct sock_filter code[4096];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    must(file, path);
    ssize_t size = read(file, code, sizeof code);
    if (size <= 0 || size % (ssize_t)sizeof *code) errno = EINVAL, fail(path);
    close(file);
    filter = (struct sock_fprog){.len = (unsigned short)(size / (ssize_t)sizeof *code), .filter = code};
}

int main(int argc, char **argv) {
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *word = argv[at], *value = strchr(word, '=');
        value = value ? value + 1 : "";
        if (!strncmp(word, "--level=", 8) && strchr("abd", *value)) level = *value;
        else if (!strncmp(word, "--filter=", 9)) read_filter(value);
        else if (!strncmp(word, "--bridge=", 9)) bridge = if_nametoindex(value), must(pipe2(go, O_CLOEXEC), "pipe");
        else if (!strcmp(word, "--fork")) copy_memory = 1;
        else if (!strncmp(word, "--loops=", 8)) loops = atoi(value);
        else return fprintf(stderr, "floor: unknown option %s\n", word), 125;
    }
    if (argc - at < 2) return fprintf(stderr, "usage: floor [OPTION...] ROOT COMMAND [ARGUMENT...]\n"), 125;
    root = argv[at];
    command = argv + at + 1;
    return loops > 0 ? run_many() : run();
}
