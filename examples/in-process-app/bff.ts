import type { FastifyInstance } from 'fastify';

interface Order {
  readonly id: string;
  readonly items: readonly string[];
}

const orders = new Map<string, Order>([['7', { id: '7', items: ['lamp'] }]]);

/** A small backend for the frontend, served inside the gateway. Everything that Fastify has works here. */
export default async function bff(app: FastifyInstance): Promise<void> {
  app.get<{ Params: { id: string } }>('/orders/:id', (request, reply) => {
    const order = orders.get(request.params.id);
    if (!order) return reply.code(404).send({ error: `no order ${request.params.id}` });
    request.log.info({ order: order.id }, 'order read'); // a line in the gateway's log, with the request id
    return order;
  });

  const body = {
    type: 'object',
    required: ['items'],
    properties: { items: { type: 'array', items: { type: 'string' }, minItems: 1 } },
  };
  app.put<{ Params: { id: string }; Body: Omit<Order, 'id'> }>(
    '/orders/:id',
    { schema: { body } },
    (request) => {
      const order = { id: request.params.id, items: request.body.items };
      orders.set(order.id, order);
      return order;
    },
  );

  // Streams flow through: one event a second until the client leaves.
  app.get('/ticks', async (request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => reply.raw.write(`data: ${new Date().toISOString()}\n\n`), 1000);
    reply.raw.once('close', () => clearInterval(timer));
    request.log.info('a client listens');
  });
}
