#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

namespace eventbus {

// Whether `run` succeeds once. For what is measured in real time: a machine that stops for a moment
// spoils one run, and what is wrong spoils all.
template <class Run>
bool in_an_undisturbed_run(Run&& run, int runs_max = 50) {
    for (int i = 0; i < runs_max; ++i) {
        if (run()) return true;
    }
    return false;
}

// Whether `run` succeeds in a process of its own, which goes on `stopped_us` later whenever it
// stops itself (SIGSTOP). `run` starts no threads.
template <class Run>
bool in_a_process_of_its_own(Run&& run, unsigned stopped_us = 0) {
    const pid_t child = ::fork();
    BUS_ASSERT(child >= 0);
    if (child == 0) ::_exit(run() ? 0 : 1);
    for (;;) {
        int status = 0;
        if (::waitpid(child, &status, WUNTRACED) != child) continue;
        if (!WIFSTOPPED(status)) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        ::usleep(stopped_us);
        ::kill(child, SIGCONT);
    }
}

}  // namespace eventbus
