/* SPDX-License-Identifier: Apache-2.0 */
import { defineConfig } from 'vitest/config';

/* `npm run dev` proxies the API to a running server: PHAROS_URL names it. */
const backend = process.env['PHAROS_URL'] ?? 'http://127.0.0.1:9090';

export default defineConfig({
  /* Relative URLs: the server may sit under any path prefix and writes <base href>. */
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    target: 'es2022',
    /* data: URLs would defeat caching, and the policy allows them for images only. */
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '^/(api|-)/': backend } },
  test: { include: ['test/unit/**/*.test.ts'], environment: 'node' },
});
