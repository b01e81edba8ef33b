/* The supervisor: a small process of its own for each run of a container.
 *
 * It starts the sandbox with its limits, writes the log and, at the end, how it ended, then goes
 * away.  The agent that started it may die meanwhile; a later one reads the same files:
 *
 *     DIR/N.lock   held (flock) while the supervisor of run N lives
 *     DIR/N.json   {supervisorPid, cgroup, cgroupVersion, pid, startedAt, finishedAt, exitCode, signal,
 *                  reason}; times in milliseconds, the last four only when it is over; replaced
 *                  atomically
 *     DIR/N.log    see container_log.h
 *
 * SIGTERM is passed on to the container's program, SIGUSR1 kills the whole container.  If the
 * supervisor itself is killed, the kernel kills the container with it.
 *
 * May use: base, data.  Threads: runs in main.
 */
#pragma once

struct error;

enum { SUPERVISOR_SPEC_MAX = 64 * 1024 * 1024 };

/* Reads a run's description (JSON) from IN_FD until its end:
 *   dir, run (N), cgroup (name), cgroupVersion, memoryBytes, cpuMillis, pids, apiPort,
 *   abilities{works,pid,network,ipc,user,newProc}, container{} (sandbox.h)
 * and goes on in a child in the background; returns in the parent once the container's program
 * runs, or why it does not.  A run that is already there is left alone. */
int supervisor_start(int in_fd, struct error **err);
