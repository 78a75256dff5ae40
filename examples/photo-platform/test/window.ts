import axe, { type AxeResults } from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import type { Picture } from './pictures.js';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

// Colours of what is fading in are not its colours, for axe and in a picture.
const STILL = { reducedMotion: 'reduce' } as const;

// One window of one user: a browser of its own, as a second device would be.
export class Window {
  readonly errors: string[] = [];

  private constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.errors.push(error.message));
  }

  static async open(browser: Browser, address: string, look: BrowserContextOptions = {}): Promise<Window> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...STILL, ...look });
    const window = new Window(await context.newPage());
    await window.page.addInitScript(noteProgress);
    await window.page.goto(address);
    return window;
  }

  async signIn(user: string): Promise<this> {
    await this.page.click(`[data-user=${user}]`);
    await this.live();
    return this;
  }

  async live(): Promise<void> {
    await this.page.waitForSelector('.badge[data-status=live]');
  }

  async drop(pictures: readonly Picture[]): Promise<void> {
    await this.page.setInputFiles('.drop input[type=file]', [...pictures]);
  }

  async open(filename: string): Promise<void> {
    await this.page.click(`.tile:has-text("${filename}") button`);
    await this.page.waitForSelector('.viewer');
  }

  // Waits until so many photos are finished, then gives their names by what became of them.
  async finished(count: number): Promise<{ completed: string[]; failed: string[] }> {
    await this.page.waitForFunction(
      (wanted) => document.querySelectorAll('.tile-completed .thumbnail img, .tile-failed').length === wanted,
      count,
    );
    return { completed: await this.names('.tile-completed'), failed: await this.names('.tile-failed') };
  }

  async names(tiles = '.tile'): Promise<string[]> {
    return (await this.page.locator(`${tiles} .tile-name`).allTextContents()).sort();
  }

  // The values that any progress bar of a photo has had.
  progress(): Promise<number[]> {
    return this.page.evaluate(() => (globalThis as unknown as { progress: number[] }).progress);
  }

  // What axe finds that would keep somebody from using the page as it is now.
  async barriers(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate<AxeResults>('axe.run()');
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }

  async screenshot(file: string): Promise<void> {
    await this.page.screenshot({ path: file });
  }
}

// Runs in the page, before its own scripts.
function noteProgress(): void {
  const progress = new Set<number>();
  Object.defineProperty(globalThis, 'progress', { get: () => [...progress] });
  new MutationObserver(() => {
    for (const bar of document.querySelectorAll('.tile [role=progressbar]'))
      progress.add(Number(bar.getAttribute('aria-valuenow')));
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['aria-valuenow'] });
}
