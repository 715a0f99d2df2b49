// What an image without the embedded engines is like: `node --import` this, and their packages cannot be found.
import { registerHooks } from 'node:module'

const EMBEDDED = /^(lmdb|ffi-rs|chdb|@chdb\/.*)(\/.*)?$/

registerHooks({
  resolve(specifier, context, next) {
    if (!EMBEDDED.test(specifier)) return next(specifier, context)
    throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' })
  },
})
