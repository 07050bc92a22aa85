/* SPDX-License-Identifier: Apache-2.0
 *
 * serve - web/dist as the Pharos server delivers it (headers, base href, prefix, Accept rule), with
 * everything else passed on to a running server. For work on the UI without building the binary.
 *
 *   node scripts/serve.mjs [--backend http://127.0.0.1:9090] [--port 5180] [--prefix /x/y]
 */
import { createHash } from 'node:crypto';
import { createServer, request } from 'node:http';
import { readFileSync, existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const option = (name, fallback) => {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? fallback : process.argv[index + 1];
};
const backend = new URL(option('backend', 'http://127.0.0.1:9090'));
const port = Number(option('port', '5180'));
const prefix = option('prefix', '').replace(/\/+$/, '');

const UI_PATHS = new Set([
  '/',
  '/index.html',
  '/query',
  '/graph',
  '/targets',
  '/status',
  '/config',
  '/flags',
  '/tsdb-status',
]);
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

function sendPage(response) {
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  response.writeHead(200, {
    'Content-Type': TYPES['.html'],
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
  });
  response.end(html.replace('<base href="/" />', `<base href="${prefix}/" />`));
}

function sendAsset(path, incoming, response) {
  const file = join(dist, path);
  if (!/^\/assets\/[\w.-]+$/.test(path) || !existsSync(file)) {
    response.writeHead(404).end('404 page not found\n');
    return;
  }
  const plain = readFileSync(file);
  const etag = `"${createHash('sha256').update(plain).digest('hex').slice(0, 16)}"`;
  const headers = {
    'Cache-Control': 'public, max-age=31536000, immutable',
    ETag: etag,
    Vary: 'Accept-Encoding',
    'X-Content-Type-Options': 'nosniff',
  };
  if (incoming.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  headers['Content-Type'] = TYPES[extname(path)] ?? 'application/octet-stream';
  const isGzip = (incoming.headers['accept-encoding'] ?? '').includes('gzip');
  if (isGzip) headers['Content-Encoding'] = 'gzip';
  response.writeHead(200, headers).end(isGzip ? gzipSync(plain, { level: 9 }) : plain);
}

function passOn(path, incoming, response) {
  const outgoing = request(
    {
      host: backend.hostname,
      port: backend.port,
      path,
      method: incoming.method,
      headers: incoming.headers,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  outgoing.on('error', () => {
    /* Without an answer from behind there is none from here: as if the server were away. */
    response.destroy();
  });
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}

createServer((incoming, response) => {
  const url = incoming.url ?? '/';
  if (!url.startsWith(`${prefix}/`)) {
    response.writeHead(404).end('404 page not found\n');
    return;
  }
  const below = url.slice(prefix.length);
  const path = below.split('?')[0];
  const wantsHtml = (incoming.headers.accept ?? '').includes('text/html');
  if (path.startsWith('/assets/')) sendAsset(path, incoming, response);
  else if (UI_PATHS.has(path) && wantsHtml) sendPage(response);
  else passOn(below, incoming, response);
}).listen(port, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${port}${prefix}/ in front of ${backend.href}`);
});
