// Chaos: a random population of real clients against the real server, and a model of who must have got what.
import { runCampaign } from './command.ts';
import { kUsage, parseOptions } from './options.ts';
import { Run } from './run.ts';

await runCampaign('chaos', kUsage, parseOptions, (options) => new Run(options));
