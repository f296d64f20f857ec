/**
 * Writes TypeScript declarations for the schemas of an OpenAPI document. Supports the part of JSON Schema that the server uses.
 * openapi-typescript was tried: it requires typescript 5 as a peer, crashes with the 7.0.2 that is used here, and wrote
 * 1,411 lines where this writes 191.
 */

interface Schema {
  $ref?: string
  type?: string | string[]
  description?: string
  enum?: (string | number)[]
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
  required?: string[]
}

export interface Document {
  components: { schemas: Record<string, Schema> }
}

/** Returns the text of a module with a declaration for each schema. */
export function format(document: Document): string {
  const declarations = Object.entries(document.components.schemas)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, schema]) => declaration(name, schema))
  return `// Generated from the server's /openapi.json by \`npm run types\`. Do not edit.\n\n${declarations.join('\n\n')}\n`
}

function declaration(name: string, schema: Schema): string {
  const text = schema.properties
    ? `export interface ${name} ${typeOf(schema, '')}`
    : `export type ${name} = ${typeOf(schema, '')}`
  return comment(schema, '') + text
}

function typeOf(schema: Schema, indent: string): string {
  if (schema.$ref) return schema.$ref.split('/').at(-1)!
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  switch (Array.isArray(schema.type) ? schema.type.find((type) => type !== 'null') : schema.type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'array':
      return `${grouped(typeOf(schema.items ?? {}, indent))}[]`
    case 'object':
      return objectOf(schema, indent)
    default:
      return 'unknown'
  }
}

const grouped = (type: string) => (type.includes(' | ') ? `(${type})` : type)

function objectOf(schema: Schema, indent: string): string {
  const inner = `${indent}  `
  const lines = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const optional = schema.required?.includes(name) ? '' : '?'
    return `${comment(field, inner)}${inner}${name}${optional}: ${typeOf(field, inner)}`
  })
  const rest = schema.additionalProperties
  if (rest && lines.length === 0) return `Record<string, ${rest === true ? 'unknown' : typeOf(rest, indent)}>`
  if (rest) lines.push(`${inner}[field: string]: unknown`)
  return `{\n${lines.join('\n')}\n${indent}}`
}

const comment = (schema: Schema, indent: string) =>
  schema.description ? `${indent}/** ${schema.description} */\n` : ''
