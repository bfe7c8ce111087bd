/** Opens connections and says nothing on them, until it is ended: `node bench/chaos/flood.ts PORT COUNT`. */
import { connect } from 'node:net';

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
for (let i = 0; i < count; i++) connect({ host: '127.0.0.1', port }).on('error', () => {});
process.once('disconnect', () => process.exit());
