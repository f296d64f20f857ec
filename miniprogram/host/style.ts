/** Translates WXSS to CSS: rpx, the page element, and class names that apply in their component only. */
import postcss from 'postcss'
import selectorParser from 'postcss-selector-parser'

/**
 * Compiles the style sheet of path. Class names get the prefix scope, as in glass-easel; those of a page, whose
 * scope is empty, stay as they are.
 */
export function compileStyle(wxss: string, scope: string, path = 'a.wxss'): string {
  const selectors = selectorParser((root) => {
    root.walkTags((tag) => {
      if (tag.value === 'page') tag.value = 'wx-page'
    })
    if (!scope) return
    root.walkClasses((name) => {
      name.value = `${scope}--${name.value}`
    })
    root.walkPseudos((pseudo) => {
      if (pseudo.value === ':host') {
        pseudo.replaceWith(
          selectorParser.attribute({
            attribute: 'wx-host',
            operator: '=',
            value: scope,
            quoteMark: '"',
            raws: {},
          }),
        )
      }
    })
  })
  const root = postcss.parse(wxss, { from: path })
  root.walkRules((rule) => {
    const parent = rule.parent
    if (parent?.type === 'atrule' && (parent as postcss.AtRule).name.endsWith('keyframes')) return
    rule.selector = selectors.processSync(rule.selector)
  })
  root.walkDecls((declaration) => {
    declaration.value = rpxToVw(declaration.value)
  })
  return root.toString()
}

/** 750rpx are the width of the screen. */
const rpxToVw = (value: string): string =>
  value.replace(/(-?[\d.]+)rpx\b/g, (_, n: string) => `${Number(n) / 7.5}vw`)
