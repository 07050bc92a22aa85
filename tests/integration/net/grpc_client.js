// SPDX-License-Identifier: Apache-2.0
// Drives the echo service with the stock gRPC client of Node.
// usage: node grpc_client.js ADDRESS CA_FILE    (plain and TLS on the same address)
'use strict';
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const fromModules = createRequire(path.join(process.cwd(), 'package.json'));
const grpc = fromModules('@grpc/grpc-js');
const loader = fromModules('@grpc/proto-loader');

const [address, caFile] = process.argv.slice(2);
const definition = loader.loadSync(path.join(__dirname, 'echo.proto'), { longs: String, defaults: true });
const { Echo } = grpc.loadPackageDefinition(definition).test;

const unary = (client, method, request, options = {}) =>
  new Promise((resolve) => {
    client[method](request, options, (error, answer) => resolve({ error, answer }));
  });

const stream = (client, method, request) =>
  new Promise((resolve) => {
    const notes = [];
    const call = client[method](request);
    call.on('data', (note) => notes.push(note));
    call.on('error', (error) => resolve({ error, notes }));
    call.on('end', () => resolve({ error: null, notes }));
  });

const equal = (actual, wanted) => {
  if (actual !== wanted) throw new Error(`got ${JSON.stringify(actual)}, want ${JSON.stringify(wanted)}`);
};

function tests(client, name) {
  const big = Buffer.alloc(200000, 7);
  return {
    [`${name}: unary call`]: async () => {
      const { error, answer } = await unary(client, 'Say', { text: 'hello \u00e9', data: big });
      equal(error, null);
      equal(answer.text, 'hello \u00e9');
      equal(Buffer.compare(answer.data, big), 0);
    },
    [`${name}: 200 calls side by side`]: async () => {
      const calls = [...Array(200).keys()].map((i) => unary(client, 'Say', { text: `note ${i}` }));
      const results = await Promise.all(calls);
      results.forEach(({ error, answer }, i) => {
        equal(error, null);
        equal(answer.text, `note ${i}`);
      });
    },
    [`${name}: gzip messages`]: async () => {
      const text = 'compress me '.repeat(5000);
      const metadata = new grpc.Metadata();
      const packing = new Echo(address, client.credentials, {
        'grpc.default_compression_algorithm': 2,
      });
      const { error, answer } = await new Promise((resolve) => {
        packing.Say({ text }, metadata, (e, a) => resolve({ error: e, answer: a }));
      });
      packing.close();
      equal(error, null);
      equal(answer.text, text);
    },
    [`${name}: error with message and details`]: async () => {
      const { error } = await unary(client, 'Fail', { text: 'x' });
      equal(error.code, grpc.status.FAILED_PRECONDITION);
      equal(error.details, '100% \u00e9gal\n');
      equal(Buffer.compare(error.metadata.get('grpc-status-details-bin')[0], Buffer.from([8, 9])), 0);
    },
    [`${name}: server stream`]: async () => {
      const { error, notes } = await stream(client, 'Repeat', { text: 'again', data: big });
      equal(error, null);
      equal(notes.length, 5);
      notes.forEach((note) => equal(note.data.length, big.length));
    },
    [`${name}: stream that ends in an error`]: async () => {
      const { error, notes } = await stream(client, 'Break', { text: 'once' });
      equal(notes.length, 1);
      equal(error.code, grpc.status.ABORTED);
      equal(error.details, 'broke off');
    },
    [`${name}: answer from another thread, with and without a deadline`]: async () => {
      const without = await unary(client, 'Later', {});
      equal(without.error.code, grpc.status.UNAVAILABLE);
      const within = await unary(client, 'Later', {}, { deadline: Date.now() + 20000 });
      equal(within.error.code, grpc.status.DEADLINE_EXCEEDED);
    },
    [`${name}: message above the limit`]: async () => {
      const { error } = await unary(client, 'Say', { data: Buffer.alloc(1 << 20) });
      equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
    },
    [`${name}: method that does not exist`]: async () => {
      const { error } = await unary(client, 'Missing', {});
      equal(error.code, grpc.status.UNIMPLEMENTED);
    },
  };
}

async function main() {
  const plain = grpc.credentials.createInsecure();
  const secure = grpc.credentials.createSsl(fs.readFileSync(caFile));
  let failed = 0;
  for (const [name, credentials] of [['gRPC', plain], ['gRPC over TLS', secure]]) {
    const client = new Echo(address, credentials);
    client.credentials = credentials;
    for (const [title, test] of Object.entries(tests(client, name))) {
      try {
        await test();
        console.log(`ok - ${title}`);
      } catch (error) {
        failed += 1;
        console.log(`not ok - ${title}: ${error.message}`);
      }
    }
    client.close();
  }
  process.exit(failed === 0 ? 0 : 1);
}

main();
