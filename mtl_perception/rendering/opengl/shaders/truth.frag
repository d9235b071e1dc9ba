#version 330 core
uniform mat4 view;
uniform sampler2DArray layers;
uniform uint first_cut_out;

in vec3 optical;
in vec3 facing;
in vec2 texel;
flat in uvec4 material;

layout(location = 0) out vec4 geometry;  // normal in the optical frame, depth in metres
layout(location = 1) out uint label;

void main() {
    // at the level of the picture's: else a wire fence that is seen would be what is behind it
    if (material.x >= first_cut_out && texture(layers, vec3(texel, material.x), -0.8).a < 0.5)
        discard;
    // the true face, not the smoothed normal that light falls on
    vec3 face = normalize(cross(dFdx(optical), dFdy(optical)));
    geometry = vec4(dot(face, optical) > 0.0 ? -face : face, optical.z);
    label = material.y;
}
