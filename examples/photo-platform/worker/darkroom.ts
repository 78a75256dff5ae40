import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PhotoProcessed } from '../shared/events.js';
import type { Media } from '../shared/media.js';

const PROGRAM = fileURLToPath(new URL('./develop.js', import.meta.url));

export interface Limits {
  bytes: number; // of memory, all that one photo's process has: some 65 MiB before it begins
  seconds: number;
}

export const LIMITS: Limits = {
  bytes: 448 * 1024 * 1024,
  seconds: 20, // the group's ack_wait is 30 s: who takes longer would be given the photo twice
};

// The photo will be no better at the next try: it has failed for good. The message is for its owner.
export class NotAPhoto extends Error {}

export type OnStage = (progress: number, currentStage: string) => void;

// What develop.ts says.
export type Word =
  | { is: 'stage'; progress: number; currentStage: string }
  | { is: 'made'; processed: PhotoProcessed }
  | { is: 'not-a-photo'; why: string }
  | { is: 'trouble'; why: string }; // of ours, such as a full disk

// Develops photos, each in a process of its own.
//
// A decoder is a large program that strangers feed: a few kilobytes can make it take gigabytes, run
// without end, or crash, and nothing within a process holds it. So a photo's process
// (1) has no secret and no connection, only the photo;
// (2) looks at its own memory every few milliseconds, and ends when that is more than `bytes`: the
//     decoder works on threads beside JavaScript. This works wherever Node does. (V8's own limits do
//     not count what a decoder takes; ulimit, prlimit and cgroups are not everywhere, and a limit on
//     address space would count what V8 reserves and never uses);
// (3) is ended after `seconds`, and when the worker ends.
export class Darkroom {
  constructor(
    readonly media: Media,
    readonly limits = LIMITS,
    readonly program = PROGRAM,
  ) {}

  // Rejects with NotAPhoto for what can never succeed, else with what might pass.
  develop(photoId: string, onStage: OnStage): Promise<PhotoProcessed> {
    const { bytes, seconds } = this.limits;
    return new Promise((resolve, reject) => {
      const child = fork(this.program, [this.media.root, photoId, String(bytes)], {
        env: {},
        execArgv: [], // no --inspect of the worker's
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        timeout: seconds * 1_000,
        killSignal: 'SIGKILL',
      });
      child.on('message', (word: Word) => {
        if (word.is === 'stage') onStage(word.progress, word.currentStage);
        else if (word.is === 'made') resolve(word.processed);
        else reject(word.is === 'not-a-photo' ? new NotAPhoto(word.why) : new Error(word.why));
      });
      child.once('error', reject); // it could not be started
      child.once('close', (code, signal) => {
        // Both come too late, and do nothing, when the child has said how it went.
        if (child.killed) reject(new NotAPhoto(`Reading the photo took more than ${seconds} s.`));
        else reject(new Error(`the process of photo ${photoId} ended with ${signal ?? code}`));
      });
    });
  }
}
