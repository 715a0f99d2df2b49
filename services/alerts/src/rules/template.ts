const PLACEHOLDER = /\{([a-zA-Z]+)\}/g

/** The names of the placeholders in a template: of `{customer} waits` `customer`. */
export function placeholdersIn(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '')
}

/** A template with its placeholders filled; one without a value stays as it is. */
export function filled(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(PLACEHOLDER, (placeholder, name: string) => values[name] ?? placeholder)
}
