#version 330 core
uniform sampler2DArray layers;
uniform uint first_cut_out;

in vec2 texel;
flat in uvec4 material;

void main() {
    if (material.x >= first_cut_out && texture(layers, vec3(texel, material.x)).a < 0.4) discard;
}
