// lap - times commands against each other: one run of each in turn, so that what the
// machine does besides falls on all of them.
//
//   lap [-n RUNS] [-r NAME] < LIST
//
// A line of LIST is a name and the words of a command, which may be led by N<FILE: that
// file as descriptor N. "{n}" in a word becomes a number used once. Prints median, tenth
// and ninetieth percentile in microseconds, and the ratio to NAME of both the
// median and the tenth percentile, which is the steadier one on a busy machine. The
// commands' streams are /dev/null; one that fails is marked.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_COMMANDS = 64, MOST_WORDS = 64, WARM_UP = 3 };
struct command {
    char *name, *words[MOST_WORDS];
    int failures;
    double *took;
};
static struct command commands[MOST_COMMANDS];
static int count, runs = 50, null_fd;

static void read_commands(void) {
    static char line[16384];
    while (count < MOST_COMMANDS && fgets(line, sizeof line, stdin)) {
        struct command *c = &commands[count];
        int words = 0;
        for (char *w = strtok(strdup(line), " \t\n"); w && words < MOST_WORDS - 1; w = strtok(NULL, " \t\n")) {
            if (!c->name) c->name = w;
            else c->words[words++] = w;
        }
        if (words && c->name[0] != '#') count++;
        else *c = (struct command){0};
    }
}

// The words of one run, with {n} filled in; the descriptor to open is left to the child.
static char **words_of_run(struct command *c) {
    static char room[MOST_WORDS][1024], *words[MOST_WORDS];
    static unsigned serial;
    serial++;
    for (int i = 0; i < MOST_WORDS && (words[i] = c->words[i]); i++) {
        char *gap = strstr(c->words[i], "{n}");
        if (!gap) continue;
        snprintf(room[i], sizeof room[i], "%.*s%d-%u%s", (int)(gap - c->words[i]), c->words[i], getpid(), serial, gap + 3);
        words[i] = room[i];
    }
    return words;
}

static double run(struct command *c) {
    char **words = words_of_run(c);
    struct timespec from, to;
    int status = 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pid_t child = vfork();
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++) dup2(null_fd, fd);
        char *file = strchr(words[0], '<');
        if (file) {
            int opened = open(file + 1, O_RDONLY);
            if (opened < 0 || dup2(opened, atoi(words[0])) < 0) _exit(126);
            words++;
        }
        execvp(words[0], words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return perror("lap"), exit(1), 0;
    clock_gettime(CLOCK_MONOTONIC, &to);
    c->failures += status != 0;
    return (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
}

static int smaller(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const char *reference = "";
    for (int option; (option = getopt(argc, argv, "n:r:")) != -1;) {
        if (option == 'n') runs = atoi(optarg);
        else if (option == 'r') reference = optarg;
        else return 2;
    }
    if (runs < 1) return 2;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    read_commands();
    for (int i = 0; i < count; i++) commands[i].took = calloc((size_t)runs, sizeof(double));
    for (int r = -WARM_UP; r < runs; r++)
        for (int i = 0; i < count; i++) {
            double took = run(&commands[i]);
            if (r >= 0) commands[i].took[r] = took;
        }
    double base = 0, base_low = 0;
    for (int i = 0; i < count; i++) {
        qsort(commands[i].took, (size_t)runs, sizeof(double), smaller);
        if (!strcmp(commands[i].name, reference)) base = commands[i].took[runs / 2], base_low = commands[i].took[runs / 10];
    }
    printf("%-16s %8s %8s %8s %7s %7s\n", "", "median", "p10", "p90", "ratio", "of p10");
    for (int i = 0; i < count; i++) {
        double *took = commands[i].took;
        printf("%-16s %8.0f %8.0f %8.0f", commands[i].name, took[runs / 2], took[runs / 10], took[(runs * 9) / 10]);
        if (base > 0) printf(" %7.2f %7.2f", took[runs / 2] / base, took[runs / 10] / base_low);
        if (commands[i].failures) printf("   FAILED %d times", commands[i].failures);
        puts("");
    }
    return 0;
}
