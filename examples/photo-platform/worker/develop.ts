import { Media } from '../shared/media.js';
import { NotAPhoto, type Word } from './darkroom.js';
import { makeThumbnails } from './thumbnails.js';

// Develops one photo and ends: the program of a photo's process, which Darkroom starts.

const LOOK_EVERY_MS = 5; // in which a decoder takes some 10 MB more

const [root, photoId, bytesMax] = process.argv.slice(2) as [string, string, string];

// At once: process.exit() would wait for the decoder's threads.
const end = (): void => void process.kill(process.pid, 'SIGKILL');
const say = (word: Word, then = (): void => undefined): void => void process.send?.(word, then);

process.once('disconnect', end); // the worker is gone
const looking = setInterval(() => {
  if (process.memoryUsage.rss() <= Number(bytesMax)) return;
  clearInterval(looking);
  say({ is: 'not-a-photo', why: 'The photo takes more memory than there is for one.' }, end);
}, LOOK_EVERY_MS);

try {
  const processed = await makeThumbnails(new Media(root), photoId, (progress, currentStage) =>
    say({ is: 'stage', progress, currentStage }),
  );
  say({ is: 'made', processed }, end);
} catch (error) {
  const why = error instanceof Error ? error.message : String(error);
  say({ is: error instanceof NotAPhoto ? 'not-a-photo' : 'trouble', why }, end);
}
