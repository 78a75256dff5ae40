import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterwards } from './clean-up.js';

/** Files that a server reads its certificate from, made by Debian's openssl; they go with the test. */
export class CertificateFiles {
  readonly #folder = mkdtempSync(join(tmpdir(), 'eventbus-tls-'));
  readonly certificate = join(this.#folder, 'certificate.pem');
  readonly key = join(this.#folder, 'key.pem');

  constructor() {
    afterwards(() => rmSync(this.#folder, { recursive: true, force: true }));
    this.renew();
  }

  /** Puts a new one there, for 127.0.0.1, signed by itself: it is its own authority. */
  renew(): void {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=eventbus test'];
    execFileSync('openssl', [...args, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', this.key, '-out', this.certificate], { stdio: 'ignore' });
  }

  /** What a client has to trust. */
  get ca(): string {
    return readFileSync(this.certificate, 'utf8');
  }

  get settings(): Record<string, string> {
    return { tls_certificate_file: this.certificate, tls_key_file: this.key };
  }
}
