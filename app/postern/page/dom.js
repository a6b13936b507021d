// Elements from data. Data becomes text nodes and never markup; the page's policy forbids the rest.

export const byId = (id) => document.getElementById(id);

/** An element; attributes that are null or false are left out. Children: nodes and strings. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets places in percent of the parent, through the object model: a style attribute is forbidden. */
export function place(node, left, width = null) {
  node.style.left = `${left * 100}%`;
  if (width !== null) node.style.width = `${width * 100}%`;
  return node;
}
