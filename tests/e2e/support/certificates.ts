import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  /** Puts a new one there, signed by itself: it is its own authority. */
  renew(name = 'IP:127.0.0.1'): void {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=eventbus test'];
    execFileSync('openssl', [...args, '-addext', `subjectAltName=${name}`, '-keyout', this.key, '-out', this.certificate], { stdio: 'ignore' });
  }

  /** Puts one there that has ended years ago. */
  expire(): void {
    const file = (name: string) => join(this.#folder, name);
    const settings = { database: file('database'), new_certs_dir: this.#folder, rand_serial: 'yes', default_md: 'sha256', policy: 'any', copy_extensions: 'copy' };
    const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
    writeFileSync(file('database'), '');
    writeFileSync(file('ca.conf'), ['[ca]', 'default_ca = test', '[test]', ...lines, '[any]', 'commonName = supplied', ''].join('\n'));
    execFileSync('openssl', ['req', '-new', '-key', this.key, '-subj', '/CN=eventbus test', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', file('request.pem')]);
    const times = ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z'];
    const files = ['-config', file('ca.conf'), '-in', file('request.pem'), '-keyfile', this.key, '-out', this.certificate];
    execFileSync('openssl', ['ca', '-selfsign', '-batch', '-notext', ...times, ...files], { stdio: 'ignore' });
  }

  /** What a client has to trust. */
  get ca(): string {
    return readFileSync(this.certificate, 'utf8');
  }

  get settings(): Record<string, string> {
    return { tls_certificate_file: this.certificate, tls_key_file: this.key };
  }
}
