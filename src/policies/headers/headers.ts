import { z } from 'zod';
import { headerName, headerValue } from '../../config/schema/scalars.ts';
import type { Exchange } from '../../core/exchange.ts';
import { findOwnedField } from '../../core/fields/owned-fields.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { definePolicy } from '../../core/policy.ts';
import { compileTemplate, findTemplateFault } from './header-template.ts';

/** Changes headers of what the upstream gets and of what the client gets. */
export const headers = definePolicy({
  name: 'headers',
  summary: 'Sets, adds and removes headers of requests and responses.',
  options: z.strictObject({
    request: changes().optional().describe('What to change before the upstream gets the request.'),
    response: changes().optional().describe('What to change before the client gets the response.'),
  }),
  create({ request, response }) {
    const changeRequest = request && compileChanges(request);
    const changeResponse = response && compileChanges(response);
    return {
      ...(changeRequest && { onRequest: (exchange) => changeRequest(exchange.headers, exchange) }),
      ...(changeResponse && { onResponse: (exchange, head) => changeResponse(head.headers, exchange) }),
    };
  },
});

type Changes = z.output<ReturnType<typeof changes>>;

function changes() {
  const fields = () => z.record(freeName(), template());
  return z.strictObject({
    remove: z.array(freeName()).prefault([]).describe('Fields to take away. Runs before `set` and `add`.'),
    set: fields()
      .prefault({})
      .describe(
        'Fields to write, in place of any of that name. Values may hold `{params.name}`, `{requestId}`, `{clientAddress}`, `{host}` and `{scheme}`.',
      ),
    add: fields().prefault({}).describe('Fields to put beside those of that name. Values as in `set`.'),
  });
}

/** Takes the name of a field that is not the gateway's own. */
function freeName() {
  return withFault(headerName(), findOwnedField);
}

function template() {
  return withFault(headerValue(), findTemplateFault);
}

function withFault(schema: z.ZodString, findFault: (text: string) => string | undefined) {
  return schema.check((context) => {
    const message = findFault(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}

function compileChanges({ remove, set, add }: Changes): (list: HeaderList, exchange: Exchange) => void {
  const sets = Object.entries(set).map(([name, text]) => ({ name, value: compileTemplate(text) }));
  const adds = Object.entries(add).map(([name, text]) => ({ name, value: compileTemplate(text) }));
  return (list, exchange) => {
    for (const name of remove) list.delete(name);
    for (const { name, value } of sets) list.set(name, value(exchange));
    for (const { name, value } of adds) list.append(name, value(exchange));
  };
}
