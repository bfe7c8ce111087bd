import { extname } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../config/document/json-document.ts';
import { parseYaml } from '../../config/document/yaml-document.ts';
import { text, wholeNumber } from '../../config/schema/scalars.ts';
import { readTargetUrl, targetUrl } from '../../config/schema/target-url.ts';
import type { DiscoveredTarget } from './discovery.ts';

export type TargetFile =
  | { readonly ok: true; readonly targets: readonly DiscoveredTarget[] }
  | { readonly ok: false; readonly reason: string };

/** Reads the text of a file of targets, YAML or JSON: `targets:` as an upstream has them. */
export function parseTargetFile(file: string, content: string): TargetFile {
  const document = extname(file).toLowerCase() === '.json' ? parseJson(content) : parseYaml(content);
  const fault = document.faults[0];
  if (fault !== undefined) {
    const line = fault.position === undefined ? '' : `:${fault.position.line}`;
    return { ok: false, reason: `${file}${line} ${fault.text}` };
  }
  const parsed = contentSchema().safeParse(document.data ?? {});
  if (parsed.success) return { ok: true, targets: parsed.data.targets };
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const line = document.locate(path)?.line ?? 1;
  return { ok: false, reason: `${file}:${line} ${path.join('.')} ${issue.message}` };
}

function contentSchema() {
  const target = z.strictObject(
    { url: targetUrl(), weight: wholeNumber(0).optional(), zone: text().optional() },
    {
      error: ({ code }) =>
        code === 'invalid_type' ? 'is not a target — write a URL, or { url, weight, zone }' : undefined,
    },
  );
  // An entry is told apart before it is read, so that what is wrong with it is named and not "no match".
  const entry = z.preprocess((value) => (typeof value === 'string' ? { url: value } : value), target);
  const error = 'is not a list of targets — write targets: [...]';
  return z.strictObject({ targets: z.array(entry.transform(toTarget), { error }) });
}

function toTarget({
  url,
  weight,
  zone,
}: {
  url: string;
  weight?: number | undefined;
  zone?: string | undefined;
}) {
  const target: DiscoveredTarget = {
    ...readTargetUrl(url),
    ...(weight !== undefined && { weight }),
    ...(zone !== undefined && { zone }),
  };
  return target;
}
