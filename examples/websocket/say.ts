/** Says something in a room and prints the first thing that is said there: `node say.ts URL WORDS` */
const [url = '', ...words] = process.argv.slice(2);
const socket = new WebSocket(url);

socket.addEventListener('open', () => socket.send(words.join(' ')));
socket.addEventListener('message', ({ data }) => {
  console.log(String(data));
  socket.close();
});
socket.addEventListener('error', () => {
  console.error(`${url} does not answer`);
  process.exitCode = 1;
});
