// The package against the real server, through a proxy that cuts, delays, holds back, splits and reorders what passes.
import { runCampaign } from '../command.ts';
import { kUsage, parseOptions } from './options.ts';
import { Run } from './run.ts';

await runCampaign('proxy', kUsage, parseOptions, (options) => new Run(options));
