import type { Target } from './config.ts'

const HIDDEN = '[secret]'
/** Shorter parts of an address are words like `api` and `v2`; hiding them everywhere would make errors unreadable. */
const SHORTEST_PART = 6
const SHORTEST_SECRET = 3

/**
 * Takes a receiver's secrets out of a text, however they are written there: what a server answers may hold what it was sent.
 *
 * Secret are: of an address everything after the host (chats keep their token there), and its user and password; keys;
 * the account of a mail server.
 */
export function hideSecrets(target: Target): (text: string) => string {
  const secrets = [...new Set(secretsOf(target).flatMap(waysToWrite))]
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    // The longest first: a part of it would leave the rest standing.
    .sort((a, b) => b.length - a.length)
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, HIDDEN), text)
}

function secretsOf(target: Target): string[] {
  switch (target.kind) {
    case 'alertmanager':
    case 'slack':
      return ofUrl(target.url)
    case 'webhook':
      return [...ofUrl(target.url), ...(target.secret === null ? [] : [target.secret])]
    case 'pagerduty':
      return [...ofUrl(target.url), target.routingKey]
    case 'email': {
      const { login } = target
      if (login === null) return []
      // As AUTH PLAIN puts them on the wire.
      return [login.user, login.pass, `\0${login.user}\0${login.pass}`]
    }
  }
}

function ofUrl(text: string): string[] {
  const url = new URL(text)
  const parts = [...url.pathname.split('/'), ...url.searchParams.values(), ...url.searchParams.keys()]
  const account = [`${url.username}:${url.password}`, url.password]
  return [
    text,
    url.href,
    ...[`${url.pathname}${url.search}`, ...parts].filter((part) => part.length >= SHORTEST_PART),
    ...(url.password === '' ? [] : account),
  ].flatMap((secret) => [secret, decoded(secret)])
}

/** What a percent-encoded text stands for; itself where it stands for nothing. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function waysToWrite(secret: string): string[] {
  const base64 = Buffer.from(secret).toString('base64')
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), base64, base64.replace(/=+$/, '')]
}
