// What env files, shells on Windows and editors leave in a value, none of which a secret has.
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const LONE_CARRIAGE_RETURN = /\r(?!\n)/;

/** Says why the value of a reference cannot be meant, with the remedy behind ' — ', or nothing. Quotes no value. */
export function findReferenceFault(value: string): string | undefined {
  if (value.includes('\ufeff')) return 'holds a byte order mark — save it as UTF-8 without one';
  if (LONE_CARRIAGE_RETURN.test(value)) return 'holds a carriage return — save it with the line ends of Unix';
  if (CONTROL.test(value)) return 'holds control characters — write it as text, bytes in base64';
  if (isPlaceholder(value))
    return 'is itself a placeholder that nothing has filled in — set the value where it comes from';
  return undefined;
}

/** Says what looks wrong with the value of a reference though it may be meant, or nothing. */
export function findReferenceDoubt(value: string): string | undefined {
  if (/^\$\{[A-Za-z_]\w*\}$/.test(value))
    return 'is itself a reference, which is not followed — set the value where it comes from, if that is not meant';
  if (value.trim() === value) return undefined;
  return 'begins or ends with spaces or line ends, which then belong to the value — take them away where it comes from';
}

/** Whether a text is what a template or a shell should have replaced: `$NAME`, `{{ .Values.x }}`, `<no value>`. */
export function isPlaceholder(text: string): boolean {
  return /^\s*(?:\$[A-Za-z_]\w*|\$?\{\{.*\}\}|\$\([A-Za-z_]\w*\)|<no value>|<%.*%>|%[A-Z_]\w*%)\s*$/s.test(
    text,
  );
}
