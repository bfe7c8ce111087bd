/** gRPC, whose messages only look like JSON, has a frame around each. */
const JSON_TYPE = /^application\/(?!grpc)(?:[!#$%&'*+\-.^_`|~0-9a-z]+\+)?json$/i;

/** Tells whether a media type is JSON (RFC 8259, RFC 6839 §3.1), in UTF-8 as RFC 8259 §8.1 wants it. */
export function isJsonType(type: string): boolean {
  const [essence = '', ...parameters] = type.split(';');
  if (!JSON_TYPE.test(essence.trim())) return false;
  return parameters.every((parameter) => {
    const [name = '', value = ''] = parameter.split('=');
    return name.trim().toLowerCase() !== 'charset' || /^"?utf-?8"?$/i.test(value.trim());
  });
}
